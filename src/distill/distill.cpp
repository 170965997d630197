// SPDX-License-Identifier: Apache-2.0
// The loop around the student.
#include "distill/distill.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/phases.h"
#include "distill/checkpoint.h"
#include "distill/rates.h"

namespace jang::distill {
namespace {

constexpr std::int64_t kExpectedTrials = 2;  // at least: the second shows that the first was right
constexpr std::int64_t kMeasurements = 20;   // of the windows held out, in a run
constexpr double kCheckpointSeconds = 60;    // at least, between two
constexpr std::int64_t kTimedSteps = 2;      // that tell what a step takes; the first makes room

// Seconds.
struct Costs {
  double step = 0;     // with its share of sampling
  double measure = 0;  // of the windows held out
  [[nodiscard]] double training(std::int64_t steps) const {
    return static_cast<double>(steps) * step + static_cast<double>(std::min(steps, kMeasurements)) * measure;
  }
  [[nodiscard]] double trials(std::int64_t steps) const {
    return static_cast<double>(kExpectedTrials) * (static_cast<double>(trial_steps(steps)) * step + measure);
  }
};

class Run {
 public:
  Run(engine::Engine& source, Student& student, const Options& options, Observer& observer, const CancelFlag* cancel)
      : source_(source), student_(student), options_(options), observer_(observer), cancel_(cancel) {}

  Result<Outcome> operator()() {
    JANG_TRY(check_options(options_));
    settings_ = fmt::format("2;{};{};{};{};{};{};{};{}", student_.fingerprint(), options_.steps, options_.rate, options_.text.n_windows,
                            options_.text.length, options_.text.n_held_out, options_.text.seed,
                            XXH3_64bits(options_.text.given.data(), options_.text.given.size()));
    JANG_ASSIGN(const bool taken_up, take_up());
    begin_phase(observer_, "text", "tokens");
    TextOptions wanted = options_.text;
    wanted.n_steps = options_.steps;
    JANG_ASSIGN(Text text, Text::create(source_, wanted, observer_, cancel_));
    text_.emplace(std::move(text));
    if (!taken_up) JANG_TRY(start());
    if (progress_.rate == 0) {
      Costs costs;
      JANG_TRY(measure_costs(&costs));
      fit_budget(costs, options_.rate == 0);
      JANG_TRY(choose_rate());
      fit_budget(costs, false);
      if (options_.rate == 0) JANG_TRY(save(Worth::much));  // a rate that was given is known without it
    }
    begin_phase(observer_, "train", "steps");
    JANG_TRY(train());
    JANG_TRY(save(Worth::little));  // should writing the bundle fail, nothing is lost; where it does not, this goes at once
    return finish();
  }

 private:
  Result<bool> take_up() {
    if (options_.checkpoint_path.empty()) return false;
    std::string why;
    JANG_ASSIGN(std::optional<Progress> found, read_checkpoint(options_.checkpoint_path, settings_, student_, &why));
    if (!why.empty()) observer_.warn(fmt::format("{} is not taken up, starting anew: {}", options_.checkpoint_path, why));
    if (!found) return false;
    progress_ = *std::move(found);
    observer_.info(fmt::format("taking up {}: {} of {} steps are done", options_.checkpoint_path, progress_.step, progress_.steps));
    if (progress_.device != student_.device().name())
      observer_.warn(fmt::format("it was begun on {} and goes on on {}: the result is as good, but not to the byte that of either",
                                 progress_.device.empty() ? "another device" : progress_.device, student_.device().name()));
    progress_.device = student_.device().name();
    if (progress_.steps < options_.steps)
      observer_.warn(fmt::format("a budget left {} of {} steps when this run was begun", progress_.steps, options_.steps));
    return true;
  }

  // The first checkpoint is written before the work that it is for: a disk that is full or not ours to write shows at once.
  Status start() {
    const auto begun = Clock::now();
    JANG_ASSIGN(const double divergence, student_.measure(text_->held_out()));
    measure_seconds_ = seconds_since(begun);
    if (!std::isfinite(divergence))
      return Status(StatusCode::corrupt, "the bundle, or its source, predicts no numbers: there is nothing to learn");
    progress_.points = {{0, divergence}};
    progress_.steps = options_.steps;
    progress_.device = student_.device().name();
    return save(Worth::little);
  }

  // One step of a run of `steps`; false where the loss is no number.
  Result<bool> step(std::int64_t at, std::int64_t steps, double rate) {
    JANG_ASSIGN(const calibrate::Windows windows, text_->of_step(at));
    JANG_ASSIGN(loss_, student_.learn(windows, cancel_));
    if (!std::isfinite(loss_)) return false;
    JANG_TRY(student_.step(rate * schedule(at, steps), at + 1));
    return true;
  }

  Status measure_costs(Costs* costs) {
    auto begun = Clock::now();
    JANG_TRY(text_->of_step(0).status());
    const double sampling = seconds_since(begun) / static_cast<double>(text_->steps_at_once());
    const double rate = options_.rate > 0 ? options_.rate : *next_multiplier({});
    for (std::int64_t at = 0; at < std::min(kTimedSteps, text_->steps_at_once()); ++at) {
      begun = Clock::now();
      JANG_ASSIGN(const bool finite, step(at, options_.steps, rate));
      costs->step = seconds_since(begun) + sampling;
      if (!finite) break;
    }
    JANG_TRY(student_.reset());
    if (measure_seconds_ == 0) {  // taken up
      begun = Clock::now();
      JANG_TRY(student_.measure(text_->held_out()).status());
      measure_seconds_ = seconds_since(begun);
    }
    costs->measure = measure_seconds_;
    return {};
  }

  // Says what all will take, and takes steps away that a budget does not hold: what is gone of it counts.
  void fit_budget(const Costs& costs, bool with_trials) {
    const auto takes = [&](std::int64_t steps) { return costs.training(steps) + (with_trials ? costs.trials(steps) : 0); };
    if (options_.budget_seconds > 0) {
      const double left = options_.budget_seconds - seconds_since(begun_);
      std::int64_t fits = 1, beyond = progress_.steps + 1;
      while (beyond - fits > 1) {
        const std::int64_t middle = fits + (beyond - fits) / 2;
        (takes(middle) <= left ? fits : beyond) = middle;
      }
      if (fits < progress_.steps)
        observer_.warn(fmt::format("a budget of {:.0f} s allows {} of {} steps", options_.budget_seconds, fits, options_.steps));
      progress_.steps = fits;
    }
    observer_.info(fmt::format("a step takes {:.1f} s, all about {:.0f} s", costs.step, takes(progress_.steps)));
  }

  // Whole short runs, each from the start: the multiplier falls as long as that helps. What is known of them is in the checkpoint.
  Status choose_rate() {
    progress_.rate = options_.rate;
    if (options_.rate > 0) return {};
    begin_phase(observer_, "rate", "steps");
    const std::int64_t steps = trial_steps(progress_.steps);
    while (const std::optional<double> multiplier = next_multiplier(progress_.trials)) {
      if (!progress_.trials.empty() && options_.budget_seconds > 0 && seconds_since(begun_) > options_.budget_seconds / 2) break;
      JANG_ASSIGN(const double reached, try_rate(*multiplier, steps));
      progress_.trials.push_back({*multiplier, reached});
      observer_.info(fmt::format("rate {}: divergence {:.5f} after {} steps, {:.5f} at the start", *multiplier, reached, steps,
                                 progress_.points.front().divergence));
      JANG_TRY(student_.reset());
      JANG_TRY(save(Worth::much));
    }
    progress_.rate = best_multiplier(progress_.trials);
    return {};
  }
  Result<double> try_rate(double multiplier, std::int64_t steps) {
    for (std::int64_t at = 0; at < steps; ++at) {
      JANG_ASSIGN(const bool finite, step(at, steps, multiplier));
      if (!finite) return std::numeric_limits<double>::infinity();
      observer_.tick(at + 1, steps, fmt::format("rate {}", multiplier));
    }
    return student_.measure(text_->held_out());
  }

  Status train() {
    const std::int64_t every = std::max<std::int64_t>(1, progress_.steps / kMeasurements);
    auto saved = Clock::now();
    while (progress_.step < progress_.steps) {
      const Result<bool> done = step(progress_.step, progress_.steps, progress_.rate);
      if (done.status().code() == StatusCode::cancelled) JANG_TRY(save(Worth::much));
      JANG_TRY(done.status());
      if (!done.value()) {
        observer_.warn(fmt::format("the loss of step {} is no number: the best step before it is kept", progress_.step + 1));
        break;
      }
      ++progress_.step;
      if (progress_.step % every == 0 || progress_.step == progress_.steps) JANG_TRY(measure());
      observer_.tick(progress_.step, progress_.steps,
                     fmt::format("loss {:.5f}, held out {:.5f}", loss_, progress_.points.back().divergence));
      if (seconds_since(saved) < kCheckpointSeconds) continue;
      JANG_TRY(save(Worth::much));
      saved = Clock::now();
    }
    return {};
  }

  Status measure() {
    JANG_ASSIGN(const double divergence, student_.measure(text_->held_out()));
    progress_.points.push_back({progress_.step, divergence});
    const auto best = std::ranges::min_element(progress_.points, {}, &DistillationPoint::divergence);
    if (best->step != progress_.step) return {};
    progress_.kept_step = progress_.step;
    JANG_ASSIGN(progress_.best, student_.stored());
    return {};
  }

  enum class Worth { little, much };  // of the work that a checkpoint keeps
  Status save(Worth worth) const {
    if (options_.checkpoint_path.empty()) return {};
    return write_checkpoint(options_.checkpoint_path, settings_, progress_, student_, worth == Worth::much);
  }

  Result<Outcome> finish() {
    Outcome out;
    DistillationReport& r = out.report;
    r.steps = progress_.steps;
    r.kept_step = progress_.kept_step;
    r.rate = progress_.rate;
    r.trials = progress_.trials;
    r.points = progress_.points;
    r.start_divergence = r.points.front().divergence;
    r.divergence = std::ranges::min_element(r.points, {}, &DistillationPoint::divergence)->divergence;
    JANG_TRY(student_.reset());
    JANG_ASSIGN(const StoredModules start, student_.stored());
    out.best = progress_.best.empty() ? start : std::move(progress_.best);
    std::int64_t changed = 0;
    for (const auto& [path, stored] : out.best) {
      const std::vector<std::uint8_t>& before = start.find(path)->second.codes;
      for (std::size_t i = 0; i < before.size(); ++i) changed += before[i] != stored.codes[i] ? 1 : 0;
      r.trained_weights += static_cast<std::int64_t>(before.size());
    }
    r.changed_codes = static_cast<double>(changed) / static_cast<double>(std::max<std::int64_t>(1, r.trained_weights));
    return out;
  }

  engine::Engine& source_;
  Student& student_;
  const Options& options_;
  Observer& observer_;
  const CancelFlag* cancel_;
  std::string settings_;
  std::optional<Text> text_;
  Progress progress_;
  Clock::time_point begun_ = Clock::now();
  double loss_ = 0;             // of the last step, mean KL of its windows before it
  double measure_seconds_ = 0;  // 0: not measured yet
};

}  // namespace

Status check_options(const Options& o) {
  if (o.steps < 1 || o.text.n_windows < 1 || o.text.length < 2 || o.text.n_held_out < 1)
    return {StatusCode::invalid_argument, "a distillation needs steps, windows and tokens in them"};
  if (!(o.rate >= 0) || !std::isfinite(o.rate) || !(o.budget_seconds >= 0))
    return {StatusCode::invalid_argument, "rate and budget are numbers of at least 0"};
  if (!o.text.given.empty() && o.text.n_windows < 2)
    return {StatusCode::invalid_argument, "of the windows of a step half come from the text that was given: it takes two at least"};
  return {};
}

std::vector<std::string_view> phases_of(const Options& options) {
  return options.rate > 0 ? std::vector<std::string_view>{"text", "train"} : std::vector<std::string_view>{"text", "rate", "train"};
}

Result<Outcome> distill(engine::Engine& source, Student& student, const Options& options, Observer& observer, const CancelFlag* cancel) {
  return Run(source, student, options, observer, cancel)();
}

}  // namespace jang::distill
