// SPDX-License-Identifier: Apache-2.0
// Directories whose weights are narrow floats, as the checkpoints that they stand for: float32 values that are computed as they are read.
//
//   float8   <module>.weight F8_E4M3 or F8_E5M2 [out, in] beside weight_scale (compressed-tensors: one, one a row, [out, in/group], blocks)
//            or weight_scale_inv (transformers' fp8, DeepSeek's: blocks of weight_block_size). Both are multiplied by.
//   MLX      <module>.weight U32 beside scales U8 and no biases, in the modes mxfp4 (groups of 32, scales e8m0), mxfp8 (the same, e4m3
//            elements) and nvfp4 (groups of 16, scales e4m3)
//
// Scales of activations and caches are left out: what they round is computed unrounded here.
#pragma once

#include "format/checkpoint.h"
#include "jang/status.h"

namespace jang::format {

// The checkpoint as it is where it has no such weights; else with a warning. Errors: corrupt (scales that do not belong to their weight),
// unsupported (a mode that is not known).
[[nodiscard]] Result<Checkpoint> with_wide_weights(Checkpoint checkpoint);

}  // namespace jang::format
