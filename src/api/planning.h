// SPDX-License-Identifier: Apache-2.0
// The front half of planning and converting: options checked, the source opened, what is known of it gathered, the plan made. Inside
// src/api only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/phases.h"
#include "calibrate/calibrate.h"
#include "engine/engine.h"
#include "format/statistics.h"
#include "jang/plan.h"
#include "quantize/convert.h"

namespace jang {

// The encoder of a method, and whether channels are rescaled before it.
[[nodiscard]] plan::Method plan_method(Method method);
[[nodiscard]] bool is_activation_aware(Method method);
// Options of the planner. Errors: invalid_argument (profile, overrides, contradictions).
[[nodiscard]] Result<plan::Options> planner_options(const PlanOptions& options);
// The text of one file, or of the *.txt files of a directory in the order of their names. Errors: not_found, those of reading.
[[nodiscard]] Result<std::string> read_given_text(const std::string& path);
// Options of a calibration; its text is read. Errors: invalid_argument; those of reading.
[[nodiscard]] Result<calibrate::Options> calibrator_options(const CalibrationOptions& options);

// A source to be planned, and what is known of it beside its weights.
class Planning {
 public:
  // Resolves and opens the source. From here on phases are numbered: those of planning, then those that the caller names. Errors are about
  // the source, never invalid_argument.
  [[nodiscard]] static Result<Planning> open(const std::string& name, const PlanOptions& options, const plan::Options& planner,
                                             const RunOptions& run, std::vector<std::string_view> phases_after = {});

  // Numbers the phases of the command; the caller announces its own through it.
  [[nodiscard]] Observer& observer() const { return *phases_; }
  [[nodiscard]] const quantize::Source& source() const { return source_; }
  // Reads the statistics file, or calibrates. Errors: invalid_argument (both are asked for), those of either.
  [[nodiscard]] Status gather();
  // The plan, with everything the user should know told to the observer. Profile auto with sensitivities is measured as a whole and
  // corrected. Errors: those of planning.
  [[nodiscard]] Result<plan::Plan> make_plan();
  // Asked before anything is measured: invalid_argument where a conversion would lack the text that the method needs, and a plan the
  // statistics that scales are made of.
  [[nodiscard]] Status check_text() const;
  [[nodiscard]] Status check_scales() const;
  // The Gram matrices that a plan of the method gptq is carried out with; null for other plans. They end before this object does. Errors:
  // invalid_argument (no text to take them from), those of loading.
  [[nodiscard]] Result<std::unique_ptr<quantize::Grams>> make_grams(const plan::Plan& plan);
  // Of a conversion by that plan: statistics included.
  [[nodiscard]] quantize::RunOptions conversion_options() const;
  // What the target changes of it; none for the default target and for a plan from a file. Errors: those of target_changes().
  [[nodiscard]] Result<std::optional<TargetChanges>> changes(const plan::Plan& plan) const;
  [[nodiscard]] PlanReport report(const plan::Plan& plan, const plan::Sizes& sizes, const quantize::TensorErrors& errors) const;

 private:
  Planning(quantize::Source source, const PlanOptions& options, const plan::Options& planner, const RunOptions& run,
           std::unique_ptr<Phases> phases)
      : source_(std::move(source)), options_(options), planner_(planner), phases_(std::move(phases)), run_(run) {
    run_.observer = phases_.get();
    planner_.target = source_.target;
  }
  [[nodiscard]] Status load_engine();
  // Finds the scales of a plan of an activation-aware method.
  [[nodiscard]] Status find_scales(plan::Plan* plan);
  [[nodiscard]] std::unique_ptr<quantize::Grams> open_grams();
  [[nodiscard]] Status tell_of_strong_channels() const;
  // Whether the plan can be measured as a whole.
  [[nodiscard]] bool can_correct() const;
  [[nodiscard]] int rounds() const;

  quantize::Source source_;
  PlanOptions options_;
  plan::Options planner_;
  std::unique_ptr<Phases> phases_;
  RunOptions run_;  // observed by phases_
  std::unique_ptr<format::Statistics> statistics_;
  std::unique_ptr<engine::Engine> engine_;  // loaded where it is needed
  calibrate::Windows windows_;              // of the Gram matrices
};

}  // namespace jang
