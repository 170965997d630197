// SPDX-License-Identifier: Apache-2.0
// Scalar definition of linear maps and of dequantization; contract in ops.h.
#pragma once

#include "kernels/ops.h"

namespace jang::kernels::ref {

// fma(code, scale, bias) in float32: one rounding. Every backend gives the same bits.
void dequantize_row(const MatrixView& w, std::int64_t row, float* out);

extern const LinearKernel kLinear;  // exact, every format; sums in double

}  // namespace jang::kernels::ref
