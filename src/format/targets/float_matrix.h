// SPDX-License-Identifier: Apache-2.0
// A matrix of narrow floats with scales, as float32 values that are computed as they are read:
//
//   value (r, c) = element (r, c) * scale (r / block_rows, c / block_columns)
//
// which is one scale for all, for a row, for a block or for a group of a row, by the size of the block.
#pragma once

#include <cstdint>
#include <memory>

#include "format/checkpoint.h"

namespace jang::format {

enum class ElementType : std::uint8_t { e4m3, e5m2, e2m1 };  // e2m1: two a byte, the first in the low half
enum class ScaleType : std::uint8_t { f32, bf16, f16, e8m0, e4m3 };

struct FloatMatrix {
  ElementType element = ElementType::e4m3;
  ScaleType scale = ScaleType::f32;
  std::int64_t rows = 0, columns = 0;
  std::int64_t block_rows = 1, block_columns = 1;
  StoredTensor elements, scales;  // scales: [ceil(rows/block_rows), ceil(columns/block_columns)], row by row
  // Rows are those of a stack of matrices of so many rows, each with blocks of its own; 0: of one matrix.
  std::int64_t rows_each = 0;
  // Row r is row first + step * r of the tensors, which have step times as many: rows of two matrices in turns. Then block_rows is 1.
  std::int64_t first = 0, step = 1;
  float multiplier = 1, divisor = 1;  // of every scale: scale / divisor * multiplier
};

// Precondition: the tensors have the bytes of these sizes.
[[nodiscard]] std::shared_ptr<const MadeTensor> float_matrix(FloatMatrix matrix);

}  // namespace jang::format
