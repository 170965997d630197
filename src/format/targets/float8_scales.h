// SPDX-License-Identifier: Apache-2.0
// Which part of a float8 weight one of its scales is for, by their shapes:
//
//   []  [1]  [1, 1]          all of it
//   [out]  [out, 1]          a row
//   [out, in/group]          a group of a row
//   [out/rows, in/columns]   a block, cut off at the edges: weight_block_size (transformers' fp8), block_structure (compressed-tensors), or
//                            128 x 128 where the config does not say
//
// Scales of a stack of matrices [E, out, in] have the dimension E in front, or there is one for all.
#pragma once

#include "format/targets/float_matrix.h"
#include "jang/status.h"
#include "json/json.h"
#include "tensor/shape.h"

namespace jang::format {

// Sets block_rows and block_columns of a matrix of known rows, rows_each and columns. Errors: corrupt (scales of another shape).
[[nodiscard]] Status set_blocks(const json::Value& config, const TensorInfo& scales, FloatMatrix* m);

}  // namespace jang::format
