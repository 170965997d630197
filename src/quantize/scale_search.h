// SPDX-License-Identifier: Apache-2.0
// The search of activation-aware scaling: which exponent every group of channels gets (channel_scales.h).
//
//   loss(r) = sum over rows of the packed readers of  w d H d^T,   d = Q(W * s(r)) / s(r) - W,   H = E[x x^T] of the reader's inputs
//
// w is the sum over the text of squared gradients at the row's output, where the statistics have gradients of all readers (their sums over
// the columns of a row by the mean of x^2 summed up), and the number of inputs otherwise.
//
// Q is the encoder that will write the bundle, at the width and group of the plan. Where there is no Gram matrix, H is the diagonal E[x^2].
// The exponents tried are r = 0, 0.05, ..., 1 of the inputs; r = 0 is the identity, exactly. Then, with the best r and up to 0.2 more,
// 0.15 to 0.6 of the weights. A group keeps its scales when they take away at least 0.5 % of the loss. Up to 256 rows of a reader, spread
// over it, stand for all of them.
//
// Groups do not disturb each other's losses: dividing the rows of a producer changes the error of its outputs in no other way than by
// rounding scales and biases. So every group is searched against the weights of the source, in any order.
#pragma once

#include "arch/scale_groups.h"
#include "format/statistics.h"
#include "jang/status.h"
#include "plan/plan.h"
#include "quantize/source.h"

namespace jang::quantize {

inline constexpr double kLeastGain = 0.005;

// Makes `plan` one of an activation-aware method: fills its scaling, and says what is left as it is. `run.grams`, layer by layer from the
// first, may be null. Deterministic for any number of threads. Phase: scale. Errors: unsupported (a model whose blocks are not known);
// invalid_argument (statistics of another model); those of reading and of Grams::prepare; cancelled.
[[nodiscard]] Status search_scales(const Source& source, const format::Statistics& statistics, const RunOptions& run, plan::Plan* plan);

}  // namespace jang::quantize
