// SPDX-License-Identifier: Apache-2.0
// What all exact linear kernels share: the formats they take and the layout of their prepared inputs.
#pragma once

#include "kernels/ops.h"

namespace jang::kernels {

// Dense f32, f16, bf16, and every width and group of the codec with f32, f16 or bf16 parameters.
[[nodiscard]] bool exact_supports(const MatrixFormat& format);

// Prepared inputs: the row as it is, padded with zeros to whole steps of 32 columns; an odd number of cache lines apart, so that the rows
// of a batch do not fall into the same cache sets.
[[nodiscard]] std::int64_t float_row_bytes(const MatrixFormat& format, std::int64_t n_cols);
void prepare_float_row(const MatrixFormat& format, const float* x, std::int64_t n_cols, std::byte* out);

}  // namespace jang::kernels
