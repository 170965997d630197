// SPDX-License-Identifier: Apache-2.0
// Allocation in rounds: plan, measure around the plan, correct, plan again.
#include "calibrate/allocate.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/phases.h"
#include "calibrate/reference.h"
#include "calibrate/sensitivity.h"
#include "plan/make_plan.h"
#include "quantize/costs.h"
#include "quantize/measure.h"

namespace jang::calibrate {
namespace {

// A marginal says how the curve is off at one point in one company of choices: half of it (on logarithmic axes) is believed at a time.
constexpr double kBelief = 0.5;
constexpr double kMaxStep = 4.0;
// Marginals below this part of the whole are lost in each other's noise.
constexpr double kLeastPart = 1e-4;
// Scored positions that a correction needs, at the least.
constexpr std::int64_t kLeastPositions = 2048;
// How much alike the second way to begin takes the layers of a role to be: half of the differences measured alone, in logarithms.
constexpr double kEvened = 0.5;
// It is taken unless it is worse by more than this on the calibration text, where a few hundred positions hardly tell more. On a tie the
// one that follows the measurements less closely did better on other text (Gemma 3 270M, docs/numbers.md section 8).
constexpr double kTie = 0.01;

// Corrects the factors by what every unit's own weights win back from `whole`.
Status correct(Laboratory& lab, const std::map<std::string, plan::Choice>& choices, const plan::CostTable& costs, double whole,
               Observer& observer, const CancelFlag* cancel, std::map<std::string, double>* factors) {
  std::vector<Trial> trials;
  for (const arch::Unit& unit : lab.units())
    if (choices.contains(unit.name)) trials.push_back({&unit, {0, 0}, 0, 0});
  observer.count("trials");
  JANG_TRY(lab.run(trials, observer, cancel));
  for (const Trial& t : trials) {
    const std::string& name = t.unit->name;
    const auto unit = costs.find(name);
    if (unit == costs.end()) continue;
    const auto promised = unit->second.find(choices.at(name));
    if (promised == unit->second.end() || promised->second <= 0) continue;
    const double marginal = std::max(whole - t.divergence, kLeastPart * whole);
    const double step = std::clamp(std::pow(marginal / promised->second, kBelief), 1 / kMaxStep, kMaxStep);
    const auto factor = factors->emplace(name, 1.0).first;
    factor->second *= step;
  }
  return {};
}

}  // namespace

int usual_rounds(const arch::Model& model) {
  const auto table = std::ranges::find_if(
      model.tensors, [](const arch::OutTensor& t) { return t.role == arch::Role::embedding || t.role == arch::Role::tied_embedding; });
  return table != model.tensors.end() && most_positions(rows(table->shape)) < kLeastPositions ? 0 : 1;
}

Result<MeasuredPlan> allocate_measured(engine::Engine& engine, const quantize::Source& source, const plan::Options& options,
                                       const quantize::RunOptions& run, int rounds, std::int64_t max_positions) {
  const format::Statistics* statistics = run.statistics;
  if (!statistics || !statistics->decides() || (rounds > 0 && statistics->tokens.empty()))
    return Status(StatusCode::invalid_argument, "the statistics hold no sensitivities: calibrate without --no-sensitivity");
  SilentObserver silent;
  Observer& observer = run.observer ? *run.observer : silent;
  JANG_TRY(plan::check_options(source.model, options));
  const DType dtype = plan::param_dtype(source.model, options);
  begin_phase(observer, "measure");
  plan::CostTable fisher;
  JANG_ASSIGN(const plan::ErrorTable errors, quantize::measure_errors(source, options, dtype, run, &fisher));
  begin_phase(observer, "allocate");
  JANG_ASSIGN(const quantize::Importance importance, quantize::Importance::create(source.model, *statistics));
  const Windows windows = measured_windows_of(*statistics);
  std::optional<Laboratory> lab;
  if (rounds > 0) {
    JANG_ASSIGN(Laboratory made, Laboratory::create(engine, windows, max_positions, importance, {options.method, dtype}));
    lab.emplace(std::move(made));
  }
  const auto finished = [&](plan::Plan plan, double divergence) {
    if (options.method != plan::Method::rtn) plan.statistics = statistics->digest;
    return MeasuredPlan{std::move(plan), divergence, {}};
  };
  std::map<std::string, double> factors = run.factors;
  double evenness = 0;
  std::optional<MeasuredPlan> best;
  std::vector<double> by_round;
  for (int round = 0; round <= rounds; ++round) {
    JANG_ASSIGN(quantize::ExpectedPlan expected,
                quantize::plan_by_sensitivity(source.model, options, errors, *statistics, factors, evenness, fisher));
    if (rounds == 0) return finished(std::move(expected.plan), 0);
    std::map<std::string, plan::Choice> choices = plan::choices_by_unit(source.model, expected.plan);
    JANG_ASSIGN(double whole, lab->set_background(choices));
    if (round == 0 && fisher.empty()) {
      JANG_ASSIGN(quantize::ExpectedPlan evened,
                  quantize::plan_by_sensitivity(source.model, options, errors, *statistics, factors, kEvened, fisher));
      std::map<std::string, plan::Choice> other = plan::choices_by_unit(source.model, evened.plan);
      JANG_ASSIGN(const double divergence, lab->set_background(other));
      observer.info(fmt::format("layers as measured: divergence {:.5f} on the calibration text; more alike: {:.5f}", whole, divergence));
      if (divergence < whole * (1 + kTie)) {
        evenness = kEvened;
        expected = std::move(evened);
        choices = std::move(other);
        whole = divergence;
      } else {
        JANG_ASSIGN(whole, lab->set_background(choices));
      }
    }
    by_round.push_back(whole);
    observer.info(fmt::format("round {}: divergence {:.5f} on the calibration text", round, whole));
    if (!best || whole < best->divergence) best = finished(std::move(expected.plan), whole);
    if (round < rounds) JANG_TRY(correct(*lab, choices, expected.costs, whole, observer, run.cancel, &factors));
  }
  best->by_round = by_round;
  return *std::move(best);
}

}  // namespace jang::calibrate
