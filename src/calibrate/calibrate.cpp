// SPDX-License-Identifier: Apache-2.0
// The course of a calibration, its budget and its resumption.
#include "calibrate/calibrate.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/phases.h"
#include "calibrate/economy.h"
#include "calibrate/fisher.h"
#include "calibrate/moments.h"
#include "model/layers_alone.h"
#include "plan/layout.h"

namespace jang::calibrate {
namespace {

constexpr int kAnchorBits = 4;  // at which the choice of experts shows best
constexpr int kGroup = 64;      // of the trials; smaller where it does not divide the inputs

// Everything that decides the numbers beside the model: results of other settings are not mixed.
std::string settings_of(const Options& o) {
  const std::uint64_t given = XXH3_64bits(o.given.data(), o.given.size());
  const std::string measured = o.measured_windows > 0 ? fmt::format(" measured on {}", o.measured_windows) : std::string();
  return fmt::format("{} {} windows of {}{} seed {} text {:016x} {} widths {} positions {} {}", to_string(o.text), o.windows.n_windows,
                     o.windows.length, measured, o.windows.seed, o.text == TextKind::file ? given : 0, o.trials ? "trials" : "gradients",
                     fmt::join(o.widths, ","), o.max_positions, plan::to_string(o.encode.method));
}

Result<Windows> make_windows(engine::Engine& engine, const Options& o, Observer& observer, const CancelFlag* cancel) {
  switch (o.text) {
    case TextKind::file: return text_windows(engine, o.given, o.windows);
    case TextKind::random: return random_windows(engine, o.windows);
    case TextKind::self: break;
  }
  return sample_windows(engine, o.windows, observer, cancel);
}

// Group for the trials of a unit: the largest up to kGroup that divides the inputs of all its tensors; 0 when none does.
int trial_group(const arch::Model& model, const arch::Unit& unit) {
  for (const int group : {kGroup, kGroup / 2}) {
    const bool divides =
        std::ranges::all_of(unit.tensors, [&](int i) { return columns(model.tensors[static_cast<std::size_t>(i)].shape) % group == 0; });
    if (divides) return group;
  }
  return 0;
}

double trial_cost(const arch::Unit& unit, int n_layers, double forward_seconds) {
  const double layers = std::max(n_layers, 1);
  if (unit.role == arch::Role::lm_head) return forward_seconds / (layers + 1);
  return forward_seconds * (1 - std::max(unit.layer, 0) / (layers + 1));
}

// n of the widths, spread from the lowest to the highest; the middle one when n is 1.
std::vector<int> some_of(std::vector<int> widths, std::size_t n) {
  std::ranges::sort(widths);
  if (n >= widths.size()) return widths;
  std::vector<int> chosen;
  for (std::size_t i = 0; i < n; ++i) chosen.push_back(widths[n == 1 ? widths.size() / 2 : i * (widths.size() - 1) / (n - 1)]);
  return chosen;
}

// First, last and every stride-th layer.
bool is_tried(const arch::Unit& unit, int n_layers, int stride) {
  return unit.layer < 0 || unit.layer % stride == 0 || unit.layer == n_layers - 1;
}

struct Tried {
  const arch::Unit* unit;
  std::vector<int> widths;
};

// Every unit, at as many widths and in as many layers as the budget allows.
std::vector<Tried> all_units(const Laboratory& lab, const Options& o, int n_layers, Observer& observer) {
  double pass = 0;
  for (const arch::Unit& u : lab.units()) pass += trial_cost(u, n_layers, lab.forward_seconds());
  const Economy economy = economise(pass, o.widths.size(), n_layers, o.budget_seconds);
  if (economy.n_widths < o.widths.size() || economy.layer_stride > 1)
    observer.info(fmt::format("budget {:.0f} s: {} of {} widths, every {}. layer", o.budget_seconds, economy.n_widths, o.widths.size(),
                              economy.layer_stride));
  std::vector<Tried> tried;
  for (const arch::Unit& unit : lab.units())
    if (is_tried(unit, n_layers, economy.layer_stride)) tried.push_back({&unit, some_of(o.widths, economy.n_widths)});
  return tried;
}

// One unit of every role before a router, of the middle one of the layers that have it. Behind the last router gradients are enough.
std::vector<Tried> anchors(const Laboratory& lab, const arch::Model& model) {
  int last = -1;  // layer with a router
  for (const arch::OutTensor& t : model.tensors)
    if (t.role == arch::Role::router) last = std::max(last, t.layer);
  std::map<arch::Role, std::vector<const arch::Unit*>> by_role;
  for (const arch::Unit& unit : lab.units())
    if (unit.role != arch::Role::lm_head && unit.layer < last) by_role[unit.role].push_back(&unit);
  std::vector<Tried> tried;
  for (const auto& [role, units] : by_role) tried.push_back({units[(units.size() - 1) / 2], {kAnchorBits}});
  return tried;
}

Status measure_sensitivities(engine::Engine& engine, const Options& o, const Windows& windows, Observer& observer, const CancelFlag* cancel,
                             format::Statistics* statistics) {
  JANG_ASSIGN(const quantize::Importance importance, quantize::Importance::create(engine.described(), *statistics));
  JANG_ASSIGN(Laboratory lab, Laboratory::create(engine, windows, o.max_positions, importance, o.encode));
  statistics->positions = lab.positions();
  std::map<std::string, std::size_t> wanted;  // trials of every unit
  std::vector<Trial> trials;
  for (const Tried& tried : o.trials ? all_units(lab, o, engine.described().n_layers, observer) : anchors(lab, engine.described())) {
    const int group = trial_group(engine.described(), *tried.unit);
    if (group == 0 || statistics->sensitivities.contains(tried.unit->name)) continue;
    wanted[tried.unit->name] = tried.widths.size();
    for (const int bits : tried.widths) trials.push_back({tried.unit, {bits, group}, 0, 0});
  }
  const Status done = lab.run(trials, observer, cancel);
  // Units whose trials are all there are kept even when the rest was stopped.
  for (const Trial& t : trials)
    if (t.divergence > 0) statistics->sensitivities[t.unit->name].push_back({t.choice.bits, t.choice.group_size, t.error, t.divergence});
  std::erase_if(statistics->sensitivities,
                [&](const auto& entry) { return wanted.contains(entry.first) && entry.second.size() < wanted.at(entry.first); });
  for (auto& [unit, points] : statistics->sensitivities)
    std::ranges::sort(points, std::ranges::greater{}, &format::SensitivityPoint::error);
  return done;
}

// Gradients, and trials where they are asked for or needed beside them.
Status find_sensitivities(engine::Engine& engine, Options o, const Windows& windows, Observer& observer, const CancelFlag* cancel,
                          format::Statistics* s) {
  if (engine.device().backward() == nullptr) o.trials = true;
  if (!o.trials && s->fisher.empty()) {
    begin_phase(observer, "gradients", "windows");
    JANG_ASSIGN(Fisher fisher, measure_fisher(engine, windows, o.windows.seed, observer, cancel));
    s->fisher = std::move(fisher.by_module);
    s->fisher_positions = fisher.positions;
  }
  if (!o.trials && engine.described().n_experts == 0) return {};
  begin_phase(observer, o.trials ? "sensitivities" : "anchors", "trials");
  return measure_sensitivities(engine, o, windows, observer, cancel, s);
}

// What an interrupted run with the same settings left, or nothing. Errors: invalid_argument where the file is none that a calibration left.
Result<std::optional<format::Statistics>> take_up(const Options& o, const std::string& model, Observer& observer) {
  std::error_code ec;
  std::optional<format::Statistics> none;
  if (o.partial_path.empty() || !std::filesystem::exists(o.partial_path, ec)) return none;
  Result<format::Statistics> partial = format::read_statistics(o.partial_path);
  if (!partial.ok())
    return Status(StatusCode::invalid_argument, o.partial_path + " is in the way, and no interrupted calibration left it (" +
                                                    partial.status().message() + "); remove it, or choose another -o");
  if (partial->model != model || partial->settings != settings_of(o)) {
    observer.warn(o.partial_path + " is of another calibration, starting anew");
    return none;
  }
  observer.info(
      fmt::format("taking up {}: {} units are measured", o.partial_path, std::max(partial->sensitivities.size(), partial->fisher.size())));
  return std::optional<format::Statistics>(std::move(partial).value());
}

// Trials store weights at other widths, which says something of the values that they had before they were packed only.
Status check_trials(engine::Engine& engine, const Options& o) {
  const bool tries = o.trials || engine.device().backward() == nullptr || engine.described().n_experts > 0;
  if (!engine.is_bundle() || !o.sensitivities || !tries) return {};
  return {StatusCode::unsupported,
          "the model is packed already, and the sensitivities of this one need trials with weights that are not: calibrate its source, or "
          "only its activations (`jang calibrate --no-sensitivity`)"};
}

}  // namespace

std::string_view to_string(TextKind kind) {
  switch (kind) {
    case TextKind::file: return "file";
    case TextKind::random: return "random";
    case TextKind::self: break;
  }
  return "self";
}

std::vector<std::string_view> phases_of(const Options& options, bool is_mixture, bool has_gradients) {
  std::vector<std::string_view> phases = {"text", "activations"};
  if (!options.sensitivities) return phases;
  if (options.trials || !has_gradients) {
    phases.push_back("sensitivities");
    return phases;
  }
  phases.push_back("gradients");
  if (is_mixture) phases.push_back("anchors");
  return phases;
}

Windows windows_of(const format::Statistics& statistics) { return {statistics.tokens, statistics.window_length}; }

Windows measured_windows_of(const format::Statistics& statistics) {
  Windows w = windows_of(statistics);
  const std::int64_t n = statistics.measured_windows;
  if (n > 0 && n < w.n()) w.tokens.resize(static_cast<std::size_t>(n * w.length));
  return w;
}

Result<format::Statistics> calibrate(engine::Engine& engine, const Options& given, Observer& observer, const CancelFlag* cancel) {
  Options o = given;
  JANG_TRY(check_trials(engine, o));
  if (o.sensitivities) JANG_TRY(model::check_layers_alone(engine.decoder().config()));
  if (const std::int64_t positions = engine.decoder().config().max_positions; positions > 1 && o.windows.length > positions) {
    o.windows.length = positions;
    observer.info(fmt::format("windows of {} tokens: the model was trained for no more", positions));
  }
  const std::string model = quantize::fingerprint(engine.described());
  format::Statistics s;
  JANG_ASSIGN(std::optional<format::Statistics> partial, take_up(o, model, observer));
  if (partial) {
    s = *std::move(partial);
  } else {
    s.model = model;
    s.text = to_string(o.text);
    s.method = plan::to_string(o.encode.method);
    s.settings = settings_of(o);
    s.measured_windows = o.measured_windows;
    begin_phase(observer, "text", "tokens");
    JANG_ASSIGN(const Windows windows, make_windows(engine, o, observer, cancel));
    s.tokens = windows.tokens;
    s.window_length = windows.length;
    begin_phase(observer, "activations", "windows");
    JANG_ASSIGN(s.inputs, measure_moments(engine, windows, observer, cancel));
  }
  Status done;
  if (o.sensitivities) {
    const Windows windows = measured_windows_of(s);
    done = find_sensitivities(engine, o, windows, observer, cancel, &s);
  }
  if (!done.ok()) {
    if (!o.partial_path.empty() && done.code() == StatusCode::cancelled) JANG_TRY(format::write_statistics(s, o.partial_path));
    return done;
  }
  // The digest names these very bytes, whether they are written or not.
  const std::string bytes = format::serialize(s);
  return format::parse_statistics(bytes, "statistics");
}

}  // namespace jang::calibrate
