// SPDX-License-Identifier: Apache-2.0
// What every level of effort would take for a model on this machine, said before the work.
#pragma once

#include <string>
#include <vector>

#include "jang/distill.h"
#include "jang/export.h"
#include "jang/plan.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

struct EffortPart {
  std::string name;    // "text", "activations", "gradients", "anchors", "measure", "allocate", "grams", "quantize", "train", ...
  double seconds = 0;  // as busy as the machine is now
};

struct EffortLevel {
  int level = 0;
  std::string refusal = {};            // why this level cannot be had for the model; empty: it can. Nothing below counts then
  double seconds = 0;                  // as busy as the machine is now
  double cpu_seconds = 0;              // of the processor, all threads
  std::vector<EffortPart> parts = {};  // the largest first
};

// Levels 0 to `most` (at most kMostEffort) of a conversion of `name` (directory or org/name) with these options, of which method and
// self_calibrate are decided by the level. `distillation`: of level 4. Speeds are measured for a second or two, on the model itself where
// it has to run, and multiplied by counts of operations; nothing is written. Expect to be off by a third, more where the machine has other
// work. Errors: those of opening the source, invalid_argument (options).
[[nodiscard]] JANG_API Result<std::vector<EffortLevel>> estimate_effort(const std::string& name, const PlanOptions& options, int most,
                                                                        const DistillationOptions& distillation = {},
                                                                        const RunOptions& run = {});

// The same for a calibration by itself (calibrate.h).
[[nodiscard]] JANG_API Result<EffortLevel> estimate_calibration(const std::string& name, const CalibrationOptions& options,
                                                                const RunOptions& run = {});

}  // namespace jang
