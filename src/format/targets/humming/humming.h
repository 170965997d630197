// SPDX-License-Identifier: Apache-2.0
// The target `vllm-humming`: files of the method "humming", which vLLM (0.33) multiplies with humming-kernels (0.1.19) at 2 to 8 bits. A
// zero point may be any number of the type of the scales, so that a bundle for MLX comes over with its codes and scales as they are:
//
//   <module>.weight        I32 [out, in*b/32]  codes, the bit stream of codec/affine.h
//   <module>.weight_scale  [out, in/group]     BF16 or F16
//   <module>.zero_point    [out, in/group]     the same type; none: symmetric codes
//
// Value = (code - zero) * scale, zero = 2^(b-1) where there is none: zero = -bias/scale of a bundle for MLX, rounded to 16 bits, which at 8
// bits in bf16 is a rounding to whole numbers beyond 128. vLLM's loader of routed experts takes no zero points of this method (it raises an
// error for parameters without a kind of scale), so that experts have symmetric codes.
#pragma once

#include "format/targets/target.h"

namespace jang::targets::humming {

[[nodiscard]] const Target& target();

}  // namespace jang::targets::humming
