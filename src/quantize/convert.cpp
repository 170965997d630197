// SPDX-License-Identifier: Apache-2.0
// The conversion from opened source and plan to published bundle.
#include "quantize/convert.h"

#include <sys/resource.h>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/phases.h"
#include "format/bundle_writer.h"
#include "format/hub.h"
#include "format/targets/bundle.h"
#include "format/targets/model_card.h"
#include "format/targets/record.h"
#include "format/targets/side_file_names.h"
#include "format/targets/side_files.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"
#include "kernels/devices.h"
#include "quantize/check_loads.h"
#include "quantize/encode_tasks.h"
#include "quantize/export_plan.h"
#include "quantize/scaled_grams.h"

namespace jang::quantize {
namespace {

std::uint64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<std::uint64_t>(usage.ru_maxrss);
#else
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

// The names of those that were copied.
Result<std::vector<std::string>> copy_side_files(const Source& source, const targets::Target& target, format::BundleWriter& writer,
                                                 Observer& observer) {
  JANG_ASSIGN(const targets::SideFiles files, targets::find_side_files(source.checkpoint.path(), target));
  for (const std::string& why : files.left) observer.warn("not copied: " + why);
  std::vector<std::string> copied;
  for (const std::string& name : files.names) {
    if (source.text_only && targets::is_of_processor(name)) continue;
    JANG_TRY(writer.add_copy(source.checkpoint.path() + "/" + name, name));
    copied.push_back(name);
  }
  return copied;
}

// "none", "self" (text that the model sampled), "file" or "random": what the weights of the fit and the sensitivities were measured on.
std::string_view calibration_method(const plan::Plan& plan, const format::Statistics* statistics) {
  const bool used = !plan.statistics.empty() || plan.allocation == plan::AllocatedBy::measured_sensitivities;
  return used && statistics ? std::string_view(statistics->text) : "none";
}

std::vector<targets::TensorRecord> tensor_records(const arch::Model& model, const plan::Plan& plan, const TensorErrors& errors) {
  std::vector<targets::TensorRecord> records(plan.tensors.size());
  for (const plan::TensorPlan& t : plan.tensors) {
    const auto i = static_cast<std::size_t>(t.tensor);
    records[i] = {plan::format_of(*plan.target, model.tensors[i], t.choice), plan::to_string(t.tier), t.reason, errors[i]};
  }
  return records;
}

std::optional<targets::ScalingTrialRecord> trial_record(const plan::Plan& plan) {
  if (!plan.scaling_trial) return std::nullopt;
  const plan::ScalingTrial& t = *plan.scaling_trial;
  return targets::ScalingTrialRecord{t.positions, t.unscaled, t.scaled, t.difference_error};
}

targets::Record record_of(const Source& source, const plan::Plan& plan, const ConvertReport& report,
                          std::span<const targets::TensorRecord> records, const format::Statistics* statistics, std::string_view method,
                          std::span<const targets::ScalingRecord> scaling, json::Value origin) {
  return {.model = source.model,
          .source = source.checkpoint,
          .layout = report.layout,
          .dtype = plan.dtype,
          .tensors = records,
          .profile = plan.profile,
          .method = method,
          .allocation = plan::to_string(plan.allocation),
          .statistics = plan.statistics,
          .calibration = calibration_method(plan, statistics),
          .scaling = scaling,
          .scaling_trial = trial_record(plan),
          .params = report.sizes.params,
          .code_bits = report.sizes.code_bits,
          .stored_bits = report.sizes.stored_bits,
          .origin = std::move(origin)};
}

// What the record of a packed source says; null for others.
Result<json::Value> origin_of(const Source& source) {
  if (source.packed_by.empty()) return json::Value(nullptr);
  JANG_ASSIGN(const json::Value record, targets::read_record(source.checkpoint.path()));
  return targets::origin_of(record, source.packed_by);
}

// An export takes weights over, so that they were made as its source says.
std::string recorded_method(const plan::Plan& plan, const json::Value& origin) {
  if (plan.profile != kExportProfile) return plan::method_name(plan.method, plan.activation_aware);
  const json::Value* method = origin.is_object() ? json::find(origin, "quantization_method") : nullptr;
  return method != nullptr && method->is_string() ? method->get<std::string>() : "unknown";
}

// Names and shapes of the source's model are those of one target.
Status check_target(const Source& source, const plan::Plan& plan) {
  if (source.target == plan.target) return {};
  return {StatusCode::invalid_argument,
          fmt::format("the plan is for the target {}, and the source was opened for {}", plan.target->name(), source.target->name())};
}

}  // namespace

Result<ConvertReport> convert(const Source& source, const plan::Plan& plan, const std::string& output, bool force, const RunOptions& run) {
  const auto start = Clock::now();
  SilentObserver silent;
  Observer& observer = run.observer ? *run.observer : silent;
  JANG_ASSIGN(const std::unique_ptr<kernels::Device> device, kernels::open_device(run.backend, nullptr));
  JANG_TRY(check_target(source, plan));
  JANG_TRY(check_loadable(source.model, *source.target));
  JANG_TRY(format::check_apart(output, {&source.checkpoint.path(), 1}));
  Importance importance;
  ChannelScales scales;
  if (!plan.statistics.empty()) {
    if (!run.statistics || run.statistics->digest != plan.statistics)
      return Status(StatusCode::invalid_argument, "the plan needs the statistics " + plan.statistics);
    JANG_ASSIGN(importance, Importance::create(source.model, *run.statistics));
    JANG_ASSIGN(scales, ChannelScales::create(source, plan, *run.statistics));
    importance.rescale(scales);
  }
  if ((plan.method == plan::Method::gptq) != (run.grams != nullptr))
    return Status(StatusCode::invalid_argument, "the method gptq needs the inputs of a running model, and no other method does");
  const targets::Target& target = *plan.target;
  ConvertReport report;
  report.layout = plan::make_layout(source.model, plan);
  report.sizes = plan::sizes(source.model, plan, report.layout);
  report.output = output;
  std::vector<format::PlannedFile> files;
  for (const plan::Shard& s : report.layout.shards) files.push_back({s.file_name, s.header, s.file_bytes});
  JANG_ASSIGN(format::BundleWriter writer, format::BundleWriter::create(output, force, files));

  std::optional<ScaledGrams> grams;
  if (run.grams != nullptr) grams.emplace(*run.grams, source.model, scales);
  begin_phase(observer, "quantize");
  JANG_ASSIGN(report.errors,
              run_encode_tasks(source, plan, report.layout, *device, {&importance, grams ? &*grams : nullptr}, scales, writer, run));
  JANG_TRY(source.checkpoint.check_unchanged());
  const std::vector<targets::TensorRecord> records = tensor_records(source.model, plan, report.errors);

  JANG_ASSIGN(json::Value origin, origin_of(source));
  const std::string method = recorded_method(plan, origin);
  std::vector<targets::ScalingRecord> scaling;
  for (const plan::Scaling& s : plan.scaling) scaling.push_back({s.group, s.exponent, s.gain, s.experts_left, s.of_weights, s.refused});

  begin_phase(observer, "write");
  JANG_ASSIGN(const std::vector<std::string> side_files, copy_side_files(source, target, writer, observer));
  const targets::Record record = record_of(source, plan, report, records, run.statistics, method, scaling, std::move(origin));
  const std::string& from = source.checkpoint.path();
  const std::string name =
      plan.profile == kExportProfile ? fmt::format("{}-{}", format::model_name(from), target.name()) : default_output_name(from, plan);
  JANG_TRY(writer.add_text(std::string(targets::kCardName), targets::model_card(record, target, targets::read_source_card(from), name)));
  for (targets::Document& d : target.documents(record)) {
    targets::record_side_files(side_files, &d);
    JANG_TRY(writer.add_text(d.name, d.text));
  }
  JANG_TRY(writer.sync());
  JANG_TRY(check_bundle(writer.partial_path()));
  if (is_cancelled(run)) return Status(StatusCode::cancelled, "conversion stopped");
  JANG_TRY(writer.publish());
  report.seconds = seconds_since(start);
  report.peak_rss_bytes = peak_rss_bytes();
  return report;
}

}  // namespace jang::quantize
