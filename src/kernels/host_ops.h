// SPDX-License-Identifier: Apache-2.0
// What host code computes on host memory with the fastest instruction set there is: weights read back as floats, log-sums of
// predictions that were read from a device, draws from them.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/matrix.h"

namespace jang::kernels {

// One row of a matrix as floats [n_cols]; any supported format.
void dequantize_row(const MatrixView& w, std::int64_t row, float* out);
// log(sum(exp(x))) with the maximum taken out, in double.
[[nodiscard]] double log_sum_exp(const float* x, std::int64_t n);
// Predictions can be used: no NaN, no +infinity, and not every token ruled out by -infinity.
[[nodiscard]] bool usable_logits(const float* logits, std::int64_t n);
// The token of softmax(logits) whose interval of the cumulative distribution, in order of ids, holds `at` in [0, 1). log_sum: of the
// logits, finite.
[[nodiscard]] std::int32_t draw_token(std::span<const float> logits, double log_sum, double at);

}  // namespace jang::kernels
