// SPDX-License-Identifier: Apache-2.0
// Whether rescaled channels help the model: its own predictions decide, on text that no scale was found on.
//
// The search of scales (quantize/scale_search.h) minimizes errors of single maps, on text that it has seen. Here the whole model runs with
// the weights that a bundle would hold, W' = Q(W s) / s with every norm and every other map as the source has it, which computes what the
// folded bundle computes but for the rounding of norms to 16 bits. A few such models go through a text side by side, layer by layer, so
// that no more than one layer of one of them is in memory:
//
//   none     no channel is rescaled
//   all      what the search found
//   but k    all but one kind of group, for every kind: norms before mixers, norms before feed-forwards, rows of v, rows of up, ...
//
// A kind whose channels do better as they were is taken out. What is left must do better than none of them, or no channel is rescaled at
// all. Differences between two models on one text have an error of their own, which the plan records: less than that is not known.
#pragma once

#include <functional>
#include <memory>

#include "calibrate/text.h"
#include "engine/engine.h"
#include "format/statistics.h"
#include "jang/status.h"
#include "plan/plan.h"
#include "quantize/grams.h"
#include "quantize/source.h"

namespace jang::calibrate {

inline constexpr std::int64_t kTrialWindows = 8;

// Windows of the length that the statistics have, which no calibration draws. Errors: those of sampling.
[[nodiscard]] Result<Windows> trial_windows(engine::Engine& engine, const format::Statistics& statistics, Observer& observer,
                                            const CancelFlag* cancel);

// Makes the Gram matrices of the method gptq, anew for every pass over the layers.
using GramMaker = std::function<std::unique_ptr<quantize::Grams>()>;

// Takes rescaled groups out of a plan of search_scales() and records what was measured (Plan::scaling_trial). `engine`: of the source.
// `run.statistics`: those of the search. `grams`: may be empty where the method is another than gptq. Nothing is done where nothing is
// rescaled. Errors: those of the forward and of reading; cancelled.
[[nodiscard]] Status try_scales(engine::Engine& engine, const quantize::Source& source, const Windows& windows, const GramMaker& grams,
                                const quantize::RunOptions& run, plan::Plan* plan);

}  // namespace jang::calibrate
