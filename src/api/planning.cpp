// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "api/planning.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "api/access.h"
#include "api/report.h"
#include "api/target_changes.h"
#include "base/file.h"
#include "base/text_input.h"
#include "calibrate/allocate.h"
#include "calibrate/model_grams.h"
#include "calibrate/scale_trial.h"
#include "format/targets/target.h"
#include "kernels/devices.h"
#include "plan/make_plan.h"
#include "plan/names.h"
#include "plan/overrides.h"
#include "quantize/scale_search.h"
#include "quantize/strong_channels.h"

namespace jang {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;
constexpr std::int64_t kDefaultWindows = 8;  // of a calibration

Status no_text() {
  return {StatusCode::invalid_argument, "--method gptq needs text that the model reads: add --self, or --stats FILE of `jang calibrate`"};
}

// A search of scales weighs outputs by their gradients; nobody waits for trials on its account.
bool wants_sensitivities(const PlanOptions& options, const plan::Options& planner, bool has_gradients) {
  return plan::needs_errors(planner) || (is_activation_aware(options.method) && has_gradients && !options.calibration.trials);
}

// Of planning, then those of the caller.
std::vector<std::string_view> phases_to_come(const PlanOptions& options, const plan::Options& planner, const RunOptions& run,
                                             bool is_mixture, const std::vector<std::string_view>& after) {
  std::vector<std::string_view> phases = {"detect"};
  const auto add = [&](const std::vector<std::string_view>& more) { phases.insert(phases.end(), more.begin(), more.end()); };
  if (options.self_calibrate) {
    calibrate::Options o;
    const auto device = kernels::open_device(run.backend, nullptr);  // where it cannot be opened, no calibration comes to pass
    const bool has_gradients = device.ok() && (*device)->backward() != nullptr;
    o.sensitivities = wants_sensitivities(options, planner, has_gradients);
    o.trials = options.calibration.trials;
    add(calibrate::phases_of(o, is_mixture, has_gradients));
  }
  if (plan::needs_errors(planner)) add({"measure"});
  add({"allocate"});
  if (is_activation_aware(options.method)) add({"scale", "trial"});
  add(after);
  return phases;
}

}  // namespace

std::vector<std::string_view> target_names() {
  std::vector<std::string_view> names;
  for (const targets::Target* target : targets::targets()) names.push_back(target->name());
  return names;
}

std::string_view default_profile(std::string_view target) {
  const targets::Target* found = targets::find_target(target);
  const std::string_view own = found != nullptr ? found->rules().profile : std::string_view();
  return own.empty() ? kDefaultProfile : own;
}

Result<std::string> read_given_text(const std::string& path) {
  std::error_code ec;
  if (!std::filesystem::is_directory(path, ec)) return read_text_input(path, kMaxTextBytes);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, ec))
    if (entry.is_regular_file(ec) && entry.path().extension() == ".txt") files.push_back(entry.path().string());
  if (files.empty()) return Status(StatusCode::not_found, fmt::format("directory {} holds no .txt file", path));
  std::ranges::sort(files);
  std::string all;
  for (const std::string& file : files) {
    JANG_ASSIGN(const std::string text, read_text(file, kMaxTextBytes - all.size()));
    all += text;
  }
  return all;
}

plan::Method plan_method(Method method) {
  switch (method) {
    case Method::rtn:
    case Method::awq_rtn: return plan::Method::rtn;
    case Method::gptq:
    case Method::awq_gptq: return plan::Method::gptq;
    case Method::fit:
    case Method::awq: break;
  }
  return plan::Method::fit;
}

bool is_activation_aware(Method method) { return method == Method::awq || method == Method::awq_rtn || method == Method::awq_gptq; }

Result<plan::Options> planner_options(const PlanOptions& options) {
  plan::Options planner;
  if (!options.target.empty()) {
    planner.target = targets::find_target(options.target);
    if (planner.target == nullptr)
      return Status(StatusCode::invalid_argument, fmt::format("no target is named {}{}", json::quote(options.target),
                                                              plan::nearest_hint(options.target, target_names())));
  }
  if (!options.plan_file.empty()) return planner;
  JANG_ASSIGN(planner.profile, plan::canonical_profile(options.profile));
  if (options.bits_per_weight && options.file_bytes)
    return Status(StatusCode::invalid_argument, "bits per weight and file bytes both set the budget; give one of them");
  if ((options.bits_per_weight || options.file_bytes) && planner.profile == kDefaultProfile) planner.profile = "auto";
  planner.target_bpw = options.bits_per_weight;
  planner.target_bytes = options.file_bytes;
  planner.method = plan_method(options.method);
  planner.group_size = options.group_size;
  if (options.scale_type != ScaleType::automatic) planner.param_dtype = options.scale_type == ScaleType::bf16 ? DType::bf16 : DType::f16;
  planner.floors = options.floors == Floors::on    ? plan::Floors::on
                   : options.floors == Floors::off ? plan::Floors::off
                                                   : plan::Floors::automatic;
  for (const std::string& text : options.overrides) {
    JANG_ASSIGN(plan::Override row, plan::parse_override(text));
    planner.overrides.push_back(std::move(row));
  }
  return planner;
}

Result<calibrate::Options> calibrator_options(const CalibrationOptions& options) {
  if (options.n_windows < 0 || options.window_length < 2)
    return Status(StatusCode::invalid_argument,
                  fmt::format("{} windows of {} tokens are nothing to measure on", options.n_windows, options.window_length));
  calibrate::Options o;
  switch (options.text) {
    case CalibrationText::self: o.text = calibrate::TextKind::self; break;
    case CalibrationText::random: o.text = calibrate::TextKind::random; break;
    case CalibrationText::file: {
      o.text = calibrate::TextKind::file;
      JANG_ASSIGN(o.given, read_given_text(options.text_file));
      break;
    }
  }
  o.windows.n_windows = options.n_windows == 0 ? kDefaultWindows : options.n_windows;
  o.windows.length = options.window_length;
  o.windows.seed = options.seed;
  o.budget_seconds = options.budget_seconds;
  o.sensitivities = options.sensitivities;
  o.trials = options.trials;
  return o;
}

Result<Planning> Planning::open(const std::string& name, const PlanOptions& options, const plan::Options& planner, const RunOptions& run,
                                std::vector<std::string_view> phases_after) {
  std::unique_ptr<Phases> phases;
  const auto detect = [&](bool is_mixture) {
    phases = std::make_unique<Phases>(observer_of(run), phases_to_come(options, planner, run, is_mixture, phases_after));
    begin_phase(*phases, "detect");
  };
  // A mixture is calibrated in a phase more than a dense model, so with --self the phases are known only when the source is open.
  if (!options.self_calibrate) detect(false);
  JANG_ASSIGN(const std::string directory, find_input(name, run));
  Result<quantize::Source> source = quantize::open_source(directory, {.lenient = run.lenient}, *planner.target, options.text_only);
  if (!source.ok()) return as_input_failure(source.status());
  if (options.self_calibrate) detect(source->model.n_experts > 0);
  return Planning(std::move(source).value(), options, planner, run, std::move(phases));
}

Status Planning::load_engine() {
  if (engine_) return {};
  JANG_ASSIGN(engine_, engine::Engine::load(source_.checkpoint.path(), load_options(run_, kernels::Precision::exact)));
  return {};
}

Status Planning::gather() {
  const bool given = !options_.statistics_file.empty();
  if (options_.self_calibrate && given)
    return {StatusCode::invalid_argument, "--self measures the model anew, --stats brings a file; give one of them"};
  if (given) {
    JANG_ASSIGN(format::Statistics statistics, format::read_statistics(options_.statistics_file));
    statistics_ = std::make_unique<format::Statistics>(std::move(statistics));
  }
  if (options_.self_calibrate) {
    JANG_ASSIGN(calibrate::Options o, calibrator_options(options_.calibration));
    o.encode = {planner_.method, plan::param_dtype(source_.model, planner_)};
    const std::int64_t least = planner_.method == plan::Method::gptq  ? calibrate::kGramWindows
                               : is_activation_aware(options_.method) ? calibrate::kScaleWindows
                                                                      : 0;
    if (options_.calibration.n_windows == 0 && least > o.windows.n_windows) {
      o.measured_windows = o.windows.n_windows;
      o.windows.n_windows = least;
    }
    JANG_TRY(load_engine());
    o.sensitivities = wants_sensitivities(options_, planner_, engine_->device().backward() != nullptr);
    JANG_ASSIGN(format::Statistics statistics, calibrate::calibrate(*engine_, o, *phases_, run_.cancel));
    statistics_ = std::make_unique<format::Statistics>(std::move(statistics));
  }
  return statistics_ ? Status() : tell_of_strong_channels();
}

// A fit without statistics weighs all inputs alike; who converts a model for which that is dear should know.
Status Planning::tell_of_strong_channels() const {
  if (planner_.method != plan::Method::fit) return {};
  JANG_ASSIGN(const std::optional<quantize::StrongChannel> found, quantize::strongest_channel(source_));
  if (found)
    observer_of(run_).info(
        fmt::format("inputs of this model have channels much stronger than others ({}: {:.0f} times the mean), and without statistics all "
                    "weigh alike in the fit; with --self, or --stats, less is lost (Gemma 3 270M at 4.5 bits: half the divergence)",
                    found->norm, found->ratio));
  return {};
}

Status Planning::check_text() const {
  if (planner_.method != plan::Method::gptq || options_.self_calibrate || !options_.statistics_file.empty()) return {};
  return no_text();
}

Status Planning::check_scales() const {
  if (!is_activation_aware(options_.method) || !options_.plan_file.empty() || options_.self_calibrate || !options_.statistics_file.empty())
    return {};
  return {StatusCode::invalid_argument,
          "--method awq rescales channels by what the model puts into them: add --self, or --stats FILE of `jang calibrate`"};
}

std::unique_ptr<quantize::Grams> Planning::open_grams() {
  windows_ = calibrate::windows_of(*statistics_);
  return std::make_unique<calibrate::ModelGrams>(*engine_, source_.model, windows_, run_.cancel);
}

Result<std::unique_ptr<quantize::Grams>> Planning::make_grams(const plan::Plan& plan) {
  if (plan.method != plan::Method::gptq) return std::unique_ptr<quantize::Grams>();
  if (!statistics_ || statistics_->tokens.empty()) return no_text();
  JANG_TRY(load_engine());
  return open_grams();
}

Status Planning::find_scales(plan::Plan* plan) {
  quantize::RunOptions run = conversion_options();
  std::unique_ptr<quantize::Grams> grams;
  if (!statistics_->tokens.empty()) {
    JANG_TRY(load_engine());
    grams = open_grams();
  }
  run.grams = grams.get();
  JANG_TRY(quantize::search_scales(source_, *statistics_, run, plan));
  begin_phase(*phases_, "trial", "tokens");
  if (std::ranges::none_of(plan->scaling, [](const plan::Scaling& s) { return s.exponent > 0; })) return {};
  JANG_TRY(load_engine());
  const Result<calibrate::Windows> windows = calibrate::trial_windows(*engine_, *statistics_, *phases_, run_.cancel);
  if (!windows.ok() && windows.status().code() == StatusCode::cancelled) return windows.status();
  if (!windows.ok()) {  // a tokenizer that is not read here, for one
    phases_->warn("the whole model was not asked whether scales help it, since it writes no text here: " + windows.status().message());
    return {};
  }
  run.grams = nullptr;
  calibrate::GramMaker maker;
  if (!statistics_->tokens.empty()) maker = [this] { return open_grams(); };
  return calibrate::try_scales(*engine_, source_, *windows, maker, run, plan);
}

quantize::RunOptions Planning::conversion_options() const {
  quantize::RunOptions run = quantize_options(run_);
  run.statistics = statistics_.get();
  return run;
}

int Planning::rounds() const { return options_.correction_rounds.value_or(calibrate::usual_rounds(source_.model)); }

bool Planning::can_correct() const {
  // Units of other targets are not those that a running model has, and what it would try out are affine groups.
  return source_.target == &targets::default_target() && statistics_ && rounds() > 0 && options_.plan_file.empty() &&
         plan::needs_errors(planner_) && statistics_->decides() && !statistics_->tokens.empty();
}

Result<plan::Plan> Planning::make_plan() {
  const auto tell = [&](const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) phases_->warn(warning);
  };
  plan::Plan plan;
  if (can_correct()) {
    JANG_TRY(load_engine());
    tell(source_.model.warnings);
    JANG_ASSIGN(calibrate::MeasuredPlan measured, calibrate::allocate_measured(*engine_, source_, planner_, conversion_options(), rounds(),
                                                                               calibrate::Options{}.max_positions));
    plan = std::move(measured.plan);
  } else {
    tell(source_.model.warnings);
    JANG_ASSIGN(plan, quantize::plan_source(source_, planner_, options_.plan_file, conversion_options()));
  }
  tell(plan.warnings);
  if (is_activation_aware(options_.method) && options_.plan_file.empty()) JANG_TRY(find_scales(&plan));
  return plan;
}

Result<std::optional<TargetChanges>> Planning::changes(const plan::Plan& plan) const {
  if (plan.target == &targets::default_target() || !options_.plan_file.empty()) return std::optional<TargetChanges>();
  JANG_ASSIGN(TargetChanges found, target_changes(source_, plan, planner_, conversion_options()));
  return std::optional(std::move(found));
}

PlanReport Planning::report(const plan::Plan& plan, const plan::Sizes& sizes, const quantize::TensorErrors& errors) const {
  PlanReport report;
  report.model = report_of(source_.model, plan, sizes, errors);
  report.family = source_.model.family;
  report.allocation = plan::to_string(plan.allocation);
  for (const arch::Dropped& row : source_.model.dropped) report.dropped.push_back({row.name, row.reason});
  report.document = document_of(source_.model, plan, report.model);
  return report;
}

}  // namespace jang
