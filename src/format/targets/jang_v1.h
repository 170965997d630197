// SPDX-License-Identifier: Apache-2.0
// Directories of JANG v1, as the MLX bundles that they stand for (JANG v2): the same bytes under the names, types and shapes of v2.
//
//   v1, by <base> (a source's name without .weight)          v2
//   <base>.qweight   U8, all rows one behind the other        <base>.weight U32 [.., out, in*bits/32]
//   <base>.scales    F16 [blocks]                             <base>.scales F16 [.., out, in/g]
//   <base>.biases    F16 [blocks] (1.2), or                   <base>.biases, as they are
//   <base>.zeros     F16 [blocks] (1.0, 1.1)                  <base>.weight F32 = (code - zero) * scale: zeros in fp16 are in no format
//   <base>.bits      U8 [1] (1.1), or                         config.json's quantization
//   <base>.bit_map   U8 [blocks] (1.0), all alike
//   <base>.shape     I64 [2 or 3] (1.1)                       the shape
//
// A block is a group of g weights along `in`, g = quantization.block_size of jang_config.json, 64 where it is silent. Bits follow from the
// sizes of codes and scales, and must be those that the file says where it says any. A matrix without a shape (1.0) is refused with the
// shapes that the sizes of the config allow, unless there is one.
//
// Source: the loader of the package jang 2.5.
#pragma once

#include "format/checkpoint.h"
#include "jang/status.h"

namespace jang::format {

// The checkpoint as it is where it has no such tensors; else with a warning. Errors: corrupt (parts that do not belong together, bits that
// contradict sizes), unsupported (rows that end inside a group, blocks of different bits, a shape that is not known), each naming its
// tensor.
[[nodiscard]] Result<Checkpoint> from_jang_v1(Checkpoint checkpoint);

}  // namespace jang::format
