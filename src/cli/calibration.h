// SPDX-License-Identifier: Apache-2.0
// Self-calibration as commands ask for it: the options of a calibration, and --stats and --self of convert and plan.
#pragma once

#include <memory>

#include "calibrate/calibrate.h"
#include "cli/arguments.h"
#include "cli/planning.h"
#include "engine/engine.h"
#include "format/statistics.h"

namespace jang::cli {

// Options of calibrate, and of convert and plan with --self. Errors: invalid_argument; those of reading --text.
[[nodiscard]] Result<calibrate::Options> calibration_options(const Arguments& arguments);

// The source model, loaded to be measured: float32 arithmetic, float32 cache.
// `observer`, if given, is told what is odd about the files.
[[nodiscard]] Result<std::unique_ptr<engine::Engine>> load_for_calibration(const std::string& directory, int n_threads, bool lenient,
                                                                           Observer* observer = nullptr);

// What --stats or --self bring to a plan; nothing when neither is given.
struct Knowledge {
  std::unique_ptr<format::Statistics> statistics;
  std::unique_ptr<engine::Engine> engine;  // loaded where it was needed
  calibrate::Windows windows;              // of the Gram matrices
};
[[nodiscard]] Result<Knowledge> gather_knowledge(const Arguments& arguments, const OpenedSource& opened, const plan::Options& options,
                                                 const quantize::RunOptions& run);
// The Gram matrices that a plan of the method gptq is carried out with; null for other plans. `k` outlives them. Errors: invalid_argument
// (no text to take them from).
[[nodiscard]] Result<std::unique_ptr<quantize::Grams>> make_grams(const Arguments& arguments, const OpenedSource& opened,
                                                                  const plan::Plan& plan, const quantize::RunOptions& run, Knowledge& k);
// The plan, decided with what is known; `auto` with sensitivities is measured as a whole and corrected --rounds times.
[[nodiscard]] Result<plan::Plan> make_knowing_plan(const Arguments& arguments, const OpenedSource& opened, const plan::Options& options,
                                                   const quantize::RunOptions& run, Knowledge& knowledge);

}  // namespace jang::cli
