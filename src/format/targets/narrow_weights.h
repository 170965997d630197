// SPDX-License-Identifier: Apache-2.0
// Directories whose weights are narrow floats, as the checkpoints that they stand for: float32 values that are computed as they are read.
//
//   float8   <name> F8_E4M3 or F8_E5M2 [out, in] or [E, out, in] beside <name>_scale (compressed-tensors: one, one a row, [out, in/group],
//            blocks) or <name>_scale_inv (transformers' fp8, DeepSeek's: blocks of weight_block_size). Both are multiplied by.
//   float4   <module>.weight_packed U8 [.., out, in/2], two e2m1 elements a byte, beside weight_scale [.., out, in/group]: F8_E4M3, groups
//            of 16, divided by weight_global_scale (compressed-tensors' nvfp4), or U8, e8m0, groups of 32 (its mxfp4). <module>.weight U8
//            beside the former and weight_scale_2, which multiplies (ModelOpt's nvfp4).
//   gpt_oss  <experts>.gate_up_proj_blocks U8 [E, 2 out, in/32, 16] beside _scales e8m0, rows of gate and up in turns; down_proj alike
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
