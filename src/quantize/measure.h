// SPDX-License-Identifier: Apache-2.0
// Measures what every choice would cost: relative squared error per unit and (bits, group), with the real encoder, on the real weights;
// and, where the statistics hold squared gradients, the divergence that they promise for these errors:
//
//   1/2 sum_ij (r_i c_j / total) (W - Q)_ij^2 / positions      r, c, total: sums of the squared gradients of rows, of columns, of all
#pragma once

#include "jang/status.h"
#include "plan/plan.h"
#include "quantize/convert.h"

namespace jang::quantize {

// Tensors up to twice this many weights are measured whole; of larger ones rows are taken at a fixed stride, which gives the error to a few
// parts in a thousand (it is a mean over ten thousand groups and more). For the divergence as many rows are drawn by their part of the
// squared gradients, since a few rows of an embedding hold most of it.
inline constexpr std::int64_t kMeasureWeights = 1 << 20;

// Error of every choice of plan::auto_choices for every unit. Reads the source. Deterministic for any number of threads. `fisher`, unless
// null: the divergence, of the units all of whose tensors the statistics have squared gradients of.
// Errors: those of reading; cancelled.
[[nodiscard]] Result<plan::ErrorTable> measure_errors(const Source& source, const plan::Options& options, DType param_dtype,
                                                      const RunOptions& run, plan::CostTable* fisher = nullptr);

}  // namespace jang::quantize
