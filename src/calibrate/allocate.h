// SPDX-License-Identifier: Apache-2.0
// An allocation measured on the model: the knapsack on sensitivities, then measured as a whole and corrected.
//
// Sensitivities are of one unit alone in an intact model; at few bits the damage of many units neither adds up nor keeps its proportions.
// So the first allocation is put into the model, every unit in turn is given back its own weights, and the divergence this wins (its
// marginal) is compared with what its curve promised. The ratio corrects the curve for the next allocation. The best measured one is taken.
#pragma once

#include "calibrate/calibrate.h"
#include "quantize/convert.h"

namespace jang::calibrate {

struct MeasuredPlan {
  plan::Plan plan;
  double divergence = 0;         // of the whole model on the calibration windows
  std::vector<double> by_round;  // of the plan of every round, the first uncorrected
};

// What --rounds is where nobody says: 1, and 0 where the vocabulary leaves too few positions to score, since what a unit wins back is then
// lost in noise and the corrected allocation is worse (Gemma 3 270M, 512 positions: docs/numbers.md, section 8).
[[nodiscard]] int usual_rounds(const arch::Model& model);

// `run.statistics` holds gradients or sensitivities, and text. `rounds` of correction, 0: none (and nothing is measured). Without gradients
// two allocations are measured before the first round, by the layers' own sensitivities and by ones that take layers to be more alike. The
// latter is gone on with unless it is worse by over 1 %.
// Phases: measure, allocate. Errors: those of planning and of the laboratory; invalid_argument (statistics without sensitivities).
[[nodiscard]] Result<MeasuredPlan> allocate_measured(engine::Engine& engine, const quantize::Source& source, const plan::Options& options,
                                                     const quantize::RunOptions& run, int rounds, std::int64_t max_positions);

}  // namespace jang::calibrate
