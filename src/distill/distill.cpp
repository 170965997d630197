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

constexpr double kMultipliers[] = {1, 0.5, 0.25, 0.125, 0.0625};
constexpr std::int64_t kTrialShare = 6, kLeastTrial = 10, kLongestTrial = 50;  // steps of a short run: a sixth of the whole
constexpr std::int64_t kMeasurements = 20;                                     // of the windows held out, in a run
constexpr double kCheckpointSeconds = 60;                                      // at least, between two
constexpr std::int64_t kTimedSteps = 2;                                        // that tell what a step takes

class Run {
 public:
  Run(engine::Engine& source, Student& student, const Options& options, Observer& observer, const CancelFlag* cancel)
      : source_(source), student_(student), options_(options), observer_(observer), cancel_(cancel) {}

  Result<Outcome> operator()() {
    JANG_TRY(check_options(options_));
    settings_ = fmt::format("1;{};{};{};{};{};{};{};{}", student_.fingerprint(), options_.steps, options_.rate, options_.text.n_windows,
                            options_.text.length, options_.text.n_held_out, options_.text.seed,
                            XXH3_64bits(options_.text.given.data(), options_.text.given.size()));
    begin_phase(observer_, "text", "tokens");
    TextOptions wanted = options_.text;
    wanted.n_steps = options_.steps;
    JANG_ASSIGN(Text text, Text::create(source_, wanted, observer_, cancel_));
    text_.emplace(std::move(text));
    JANG_ASSIGN(const bool taken_up, take_up());
    if (!taken_up) {
      JANG_ASSIGN(const double start, student_.measure(text_->held_out()));
      if (!std::isfinite(start)) return Status(StatusCode::corrupt, "the bundle predicts no numbers: it cannot be trained");
      progress_.points = {{0, start}};
      progress_.steps = options_.steps;
      JANG_TRY(fit_budget());
      JANG_TRY(choose_rate());
    }
    begin_phase(observer_, "train", "steps");
    JANG_TRY(train());
    return finish();
  }

 private:
  [[nodiscard]] bool cancelled() const { return cancel_ != nullptr && cancel_->load(std::memory_order_relaxed); }

  Result<bool> take_up() {
    if (options_.checkpoint_path.empty()) return false;
    std::string why;
    JANG_ASSIGN(std::optional<Progress> found, read_checkpoint(options_.checkpoint_path, settings_, student_, &why));
    if (!why.empty()) observer_.warn(fmt::format("{} is not taken up, starting anew: {}", options_.checkpoint_path, why));
    if (!found) return false;
    progress_ = *std::move(found);
    observer_.info(fmt::format("taking up {}: {} of {} steps are done", options_.checkpoint_path, progress_.step, progress_.steps));
    return true;
  }

  // One step of a run of `steps`; false where the loss is no number.
  Result<bool> step(std::int64_t at, std::int64_t steps, double rate) {
    JANG_ASSIGN(const calibrate::Windows windows, text_->of_step(at));
    student_.forget_gradient();
    JANG_ASSIGN(loss_, student_.learn(windows, cancel_));
    if (!std::isfinite(loss_)) return false;
    JANG_TRY(student_.step(rate * schedule(at, steps), at + 1));
    return true;
  }

  // What the steps of the whole would take; fewer where there is a budget.
  Status fit_budget() {
    const auto start = Clock::now();
    for (std::int64_t at = 0; at < kTimedSteps; ++at) {
      JANG_ASSIGN(const bool finite, step(at, options_.steps, options_.rate > 0 ? options_.rate : kMultipliers[0]));
      if (!finite) break;
    }
    JANG_TRY(student_.reset());
    const double seconds = seconds_since(start) / static_cast<double>(kTimedSteps);
    const double trials = options_.rate > 0 ? 1.0 : 1.0 + 2.0 / static_cast<double>(kTrialShare);  // two short runs at least
    if (options_.budget_seconds > 0) {
      const double fits = options_.budget_seconds / seconds / trials;
      progress_.steps = std::clamp<std::int64_t>(static_cast<std::int64_t>(fits), 1, options_.steps);
      if (progress_.steps < options_.steps)
        observer_.warn(fmt::format("a budget of {:.0f} s allows {} of {} steps", options_.budget_seconds, progress_.steps, options_.steps));
    }
    observer_.info(
        fmt::format("a step takes {:.1f} s, all about {:.0f} s", seconds, seconds * trials * static_cast<double>(progress_.steps)));
    return {};
  }

  // Whole short runs, each from the start: the multiplier falls as long as that helps.
  Status choose_rate() {
    progress_.rate = options_.rate;
    if (options_.rate > 0) return {};
    begin_phase(observer_, "rate", "steps");
    const std::int64_t steps = std::min(progress_.steps, std::clamp(progress_.steps / kTrialShare, kLeastTrial, kLongestTrial));
    double best = std::numeric_limits<double>::infinity();
    for (const double multiplier : kMultipliers) {
      bool finite = true;
      for (std::int64_t at = 0; at < steps && finite; ++at) {
        JANG_ASSIGN(finite, step(at, steps, multiplier));
        observer_.tick(at + 1, steps, fmt::format("rate {}", multiplier));
      }
      double reached = std::numeric_limits<double>::infinity();
      if (finite) {
        JANG_ASSIGN(reached, student_.measure(text_->held_out()));
      }
      trials_.push_back({multiplier, reached});
      observer_.info(fmt::format("rate {}: divergence {:.5f} after {} steps, {:.5f} at the start", multiplier, reached, steps,
                                 progress_.points.front().divergence));
      JANG_TRY(student_.reset());
      if (reached < best) progress_.rate = multiplier;
      if (!(reached < best) && std::isfinite(best)) break;
      best = std::min(best, reached);
    }
    if (progress_.rate == 0) progress_.rate = kMultipliers[std::size(kMultipliers) - 1];
    return {};
  }

  Status train() {
    const std::int64_t every = std::max<std::int64_t>(1, progress_.steps / kMeasurements);
    auto saved = Clock::now();
    while (progress_.step < progress_.steps) {
      const Result<bool> done = step(progress_.step, progress_.steps, progress_.rate);
      if (done.status().code() == StatusCode::cancelled) JANG_TRY(save());
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
      JANG_TRY(save());
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
    progress_.best = student_.stored();
    return {};
  }

  Status save() const {
    if (options_.checkpoint_path.empty()) return {};
    return write_checkpoint(options_.checkpoint_path, settings_, progress_, student_);
  }

  Result<Outcome> finish() {
    Outcome out;
    DistillationReport& r = out.report;
    r.steps = progress_.steps;
    r.kept_step = progress_.kept_step;
    r.rate = progress_.rate;
    r.trials = trials_;
    r.points = progress_.points;
    r.start_divergence = r.points.front().divergence;
    r.divergence = std::ranges::min_element(r.points, {}, &DistillationPoint::divergence)->divergence;
    JANG_TRY(student_.reset());
    const StoredModules start = student_.stored();
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
  std::vector<DistillationTrial> trials_;
  double loss_ = 0;  // of the last step, mean KL of its windows before it
};

}  // namespace

Status check_options(const Options& o) {
  if (o.steps < 1 || o.text.n_windows < 1 || o.text.length < 2 || o.text.n_held_out < 1)
    return {StatusCode::invalid_argument, "a distillation needs steps, windows and tokens in them"};
  if (!(o.rate >= 0) || !std::isfinite(o.rate) || !(o.budget_seconds >= 0))
    return {StatusCode::invalid_argument, "rate and budget are numbers of at least 0"};
  return {};
}

std::vector<std::string_view> phases_of(const Options& options) {
  return options.rate > 0 ? std::vector<std::string_view>{"text", "train"} : std::vector<std::string_view>{"text", "rate", "train"};
}

Result<Outcome> distill(engine::Engine& source, Student& student, const Options& options, Observer& observer, const CancelFlag* cancel) {
  return Run(source, student, options, observer, cancel)();
}

}  // namespace jang::distill
