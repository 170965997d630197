// SPDX-License-Identifier: Apache-2.0
// What host code computes on host memory with the fastest instruction set there is: weights read back as floats, log-sums of predictions
// that were read from a device.
#pragma once

#include <cstdint>

#include "kernels/matrix.h"

namespace jang::kernels {

// One row of a matrix as floats [n_cols]; any supported format.
void dequantize_row(const MatrixView& w, std::int64_t row, float* out);
// log(sum(exp(x))) with the maximum taken out, in double.
[[nodiscard]] double log_sum_exp(const float* x, std::int64_t n);

}  // namespace jang::kernels
