// SPDX-License-Identifier: Apache-2.0
// A distillation block by block, for what does not fit whole:
//
//   text         as in distill.h: windows held out, windows for every step
//   gradients    what an error behind every layer costs       calibrate/output_grams.h
//   train        one decoder layer after the other: its inputs as the layers before it, trained already, give them; what is wanted from
//                the source; short runs choose the rate, the step with the least loss on the windows held out is taken (block.h), and kept
//                if the whole bundle diverges less with it than without
//
// Embedding and head rest. Memory: one block in training, hidden states of kStateBytes at most on the host, matrices of the device as
// output_grams.h says. Where the steps need more text than that, its windows are seen again.
//
// The same options give the same bytes, on any number of threads and whether interrupted or not (a budget in seconds excepted); an
// interrupted run goes on with the block that it was at.
#pragma once

#include "distill/distill.h"
#include "distill/stored_bytes.h"

namespace jang::distill {

// Of the text that blocks are trained on: source's and bundle's, together.
inline constexpr std::int64_t kStateBytes = std::int64_t{2} << 30;

struct BlocksOutcome {
  DistillationReport report;  // but for output and seconds
  StoredBytesOfModules best;  // of the layers that were kept
};

// Trains the bundle's layers, in the phases text and train; `bundle` and `source` as for Student::create. Afterwards `bundle` computes as
// its files do. Errors: those of distill() and Student::create.
[[nodiscard]] Result<BlocksOutcome> distill_blocks(engine::Engine& source, engine::Engine& bundle, int code_bits, const Options& options,
                                                   Observer& observer, const CancelFlag* cancel);

}  // namespace jang::distill
