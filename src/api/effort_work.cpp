// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "api/effort_work.h"

#include <algorithm>
#include <set>
#include <variant>

#include "arch/units.h"
#include "calibrate/model_grams.h"
#include "distill/blocks.h"
#include "distill/rates.h"
#include "plan/budget.h"
#include "plan/make_plan.h"
#include "quantize/measure.h"

namespace jang {
namespace {

constexpr double kHeldOut = 16, kMeasurements = 20;  // windows held out, and how often they are measured (distill/)
constexpr double kTrials = 2, kBlockMeasurements = 10, kGradientWindows = 32;
constexpr std::int64_t kSampledSteps = 16;  // whose text is drawn side by side

// columns^2 of the inputs of a token that have a Gram matrix, and columns^3 of the matrices.
struct GramCounts {
  double squares = 0, cubes = 0;
  void add(double columns, double inputs_of_token, double matrices) {
    squares += inputs_of_token * columns * columns;
    cubes += matrices * columns * columns * columns;
  }
};

void add_mlp(const arch::MlpSpec& mlp, double hidden, double inputs, double matrices, GramCounts* counts) {
  counts->add(hidden, inputs, matrices);
  counts->add(static_cast<double>(mlp.ffn), inputs, matrices);
}

GramCounts gram_counts(const arch::DecoderConfig& config) {
  GramCounts counts;
  const auto hidden = static_cast<double>(config.hidden);
  for (const arch::LayerSpec& layer : config.layers) {
    if (!std::holds_alternative<arch::NoMixer>(layer.mixer)) counts.add(hidden, 1, 1);
    if (const auto* attention = std::get_if<arch::AttentionSpec>(&layer.mixer))
      counts.add(static_cast<double>(attention->out_size()), 1, 1);
    if (const auto* delta = std::get_if<arch::DeltaSpec>(&layer.mixer)) counts.add(static_cast<double>(delta->v_size()), 1, 1);
    if (const auto* mamba = std::get_if<arch::MambaSpec>(&layer.mixer)) counts.add(static_cast<double>(mamba->inner()), 1, 1);
    if (const auto* conv = std::get_if<arch::ShortConvSpec>(&layer.mixer)) counts.add(static_cast<double>(conv->channels), 1, 1);
    if (const auto* mlp = std::get_if<arch::MlpSpec>(&layer.ffn)) add_mlp(*mlp, hidden, 1, 1, &counts);
    const auto* both = std::get_if<arch::MlpAndExpertsSpec>(&layer.ffn);
    if (both != nullptr) add_mlp(both->mlp, hidden, 1, 1, &counts);
    if (const auto* experts = both != nullptr ? &both->experts : std::get_if<arch::ExpertsSpec>(&layer.ffn)) {
      add_mlp(experts->expert, hidden, static_cast<double>(experts->top_k), static_cast<double>(experts->n_experts), &counts);
      if (experts->shared) add_mlp(experts->shared->mlp, hidden, 1, 1, &counts);
    }
  }
  counts.add(hidden, 1, 1);  // the head's
  return counts;
}

}  // namespace

double EffortWork::weights() const {
  double n = 0;
  for (const arch::OutTensor& t : model_.tensors)
    if (t.quantizable) n += static_cast<double>(elements(t.shape));
  return n;
}

double EffortWork::measured_weights() const {
  double n = 0;
  for (const arch::OutTensor& t : model_.tensors) {
    if (!t.quantizable) continue;
    const auto choices = plan::auto_choices(t, planner_);
    const auto packed = std::ranges::count_if(choices, [](const plan::Choice& c) { return c.bits != 0; });
    const double all = static_cast<double>(elements(t.shape)), sample = static_cast<double>(quantize::kMeasureWeights);
    n += static_cast<double>(packed) * (all < 2 * sample ? all : sample);
  }
  return n;
}

Cost EffortWork::every_unit(double tokens) const {
  Cost sum;
  const double layers = static_cast<double>(std::max(config_->n_layers(), 1));
  for (const arch::Unit& unit : arch::units_of(model_)) {
    const double left = unit.role == arch::Role::lm_head ? 0 : 1 - static_cast<double>(std::max(unit.layer, 0)) / layers;
    sum += (tokens * left) * speeds_.pass.layers + tokens * (speeds_.pass.head + speeds_.pass.divergence);
  }
  return sum;
}

Cost EffortWork::grams(double tokens) const {
  const GramCounts counts = gram_counts(*config_);
  return forward(tokens) + (tokens * counts.squares / 2) * speeds_.encode.gram + counts.cubes * speeds_.encode.factor;
}

Cost EffortWork::feedback() const {
  Cost sum;
  for (const arch::OutTensor& t : model_.tensors)
    if (t.quantizable) sum += static_cast<double>(elements(t.shape)) * speeds_.encode.feedback_in(columns(t.shape));
  return sum;
}

std::vector<WorkPart> EffortWork::calibration(const calibrate::Options& o) const {
  const auto windows = static_cast<double>(o.windows.n_windows), length = static_cast<double>(o.windows.length);
  const double measured = o.measured_windows > 0 ? static_cast<double>(o.measured_windows) : windows;
  const double scored = std::min(static_cast<double>(o.max_positions), measured * length);
  std::vector<WorkPart> parts;
  if (o.text == calibrate::TextKind::self)
    parts.push_back({"text", (windows * length) * engine::sampled_beside(speeds_.pass, o.windows.n_windows)});
  parts.push_back({"activations", forward(windows * length)});
  if (!o.sensitivities) return parts;
  if (o.trials) {
    parts.push_back({"sensitivities", static_cast<double>(o.widths.size()) * (every_unit(scored) + weights() * speeds_.encode.fit)});
    return parts;
  }
  // The whole forwards, then every layer once more and back; the head forwards, and back to its input.
  parts.push_back({"gradients", (measured * length) * (2.0 * speeds_.pass.head + speeds_.pass.layers + speeds_.pass.layers_back)});
  if (model_.n_experts == 0) return parts;
  std::set<arch::Role> roles;
  const std::vector<arch::Unit> units = arch::units_of(model_);
  for (const arch::Unit& unit : units) roles.insert(unit.role);
  const double share = static_cast<double>(roles.size()) / static_cast<double>(std::max<std::size_t>(units.size(), 1));
  parts.push_back({"anchors", share * (every_unit(scored) + weights() * speeds_.encode.fit)});
  return parts;
}

std::vector<WorkPart> EffortWork::conversion(plan::Method method, const calibrate::Options* calibrated, int rounds) const {
  const Cost encode = method == plan::Method::rtn ? speeds_.encode.rtn : speeds_.encode.fit;
  std::vector<WorkPart> parts;
  // With gradients the codes are decoded and weighed too.
  const Cost error = calibrated != nullptr ? encode : method == plan::Method::rtn ? speeds_.encode.rtn_error : speeds_.encode.fit_error;
  if (plan::needs_errors(planner_)) parts.push_back({"measure", measured_weights() * error});
  if (plan::needs_errors(planner_) && calibrated != nullptr && rounds > 0) {
    const double windows =
        static_cast<double>(calibrated->measured_windows > 0 ? calibrated->measured_windows : calibrated->windows.n_windows);
    const double scored =
        std::min(static_cast<double>(calibrated->max_positions), windows * static_cast<double>(calibrated->windows.length));
    const Cost whole = forward(scored) + weights() * encode;  // every unit as the plan has it
    parts.push_back({"allocate", static_cast<double>(rounds) * every_unit(scored) + static_cast<double>(rounds + 1) * whole});
  }
  if (method == plan::Method::gptq) {
    parts.push_back({"grams", grams(static_cast<double>(calibrated->windows.n_windows * calibrated->windows.length))});
    parts.push_back({"quantize", feedback()});
  } else {
    parts.push_back({"quantize", weights() * encode});
  }
  return parts;
}

std::vector<WorkPart> EffortWork::distillation(const DistillationOptions& o) const {
  const engine::PassSpeeds& pass = speeds_.pass;
  const auto steps = static_cast<double>(o.steps), window = static_cast<double>(o.window_length),
             tokens = static_cast<double>(o.windows) * window;
  const double trials = o.rate > 0 ? 0 : kTrials * static_cast<double>(distill::trial_steps(o.steps));
  const std::int64_t beside = o.windows * std::min(kSampledSteps, o.steps);
  const Cost drawn = engine::sampled_beside(pass, beside);
  const double held_out = kHeldOut * window;
  std::vector<WorkPart> parts;
  if (o.blocks) {
    const double text_steps =
        std::min(steps, static_cast<double>(distill::kStateBytes) / (8 * tokens * static_cast<double>(config_->hidden)));
    parts.push_back({"text", (text_steps * tokens + held_out) * drawn});
    const Cost gradients = kGradientWindows * window * (2.0 * pass.head + pass.layers + pass.layers_back);
    const Cost step = tokens * pass.layers_back + weights() * speeds_.trained;
    const Cost measures = (kBlockMeasurements * held_out) * pass.layers + (held_out * config_->n_layers() / 2) * pass.layers;
    parts.push_back({"train", gradients + (2 * text_steps * tokens) * pass.layers + (steps + trials) * step + measures});
    return parts;
  }
  parts.push_back({"text", (steps * tokens + held_out) * drawn});
  // Source and bundle forwards with their heads; every layer once more and back; the head back to its input and to its weights.
  const Cost step = tokens * (2.0 * pass.layers + 4.0 * pass.head + pass.layers_back + pass.divergence) + weights() * speeds_.trained;
  const Cost measure = 2.0 * forward(held_out) + held_out * pass.divergence;
  if (trials > 0) parts.push_back({"rate", trials * step + kTrials * measure});
  parts.push_back({"train", steps * step + std::min(steps, kMeasurements) * measure});
  return parts;
}

EffortLevel level_of(int level, std::vector<WorkPart> parts) {
  EffortLevel out;
  out.level = level;
  for (const WorkPart& part : parts) {
    out.seconds += part.cost.wall;
    out.cpu_seconds += part.cost.cpu;
    if (part.cost.wall > 0) out.parts.push_back({part.name, part.cost.wall});
  }
  std::ranges::stable_sort(out.parts, std::ranges::greater{}, &EffortPart::seconds);
  return out;
}

}  // namespace jang
