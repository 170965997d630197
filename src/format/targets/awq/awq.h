// SPDX-License-Identifier: Apache-2.0
// The target `awq`: AutoAWQ's GEMM files, 4 bits with zero points, which most engines with NVIDIA kernels open.
//
//   <module>.qweight  I32 [in, out/8]         bits 4i..4i+3 of word (c, j): the code of column c in row 8j + {0,2,4,6,1,3,5,7}[i]
//   <module>.qzeros   I32 [in/group, out/8]   zero points in the same order
//   <module>.scales   F16 [in/group, out]
//
// Value = (code - zero) * scale. One width and one group for all modules; what is not packed is named in quantization_config's
// modules_to_not_convert. Experts are modules of their own. Source: AutoAWQ 0.2.9, WQLinear_GEMM.
#pragma once

#include "format/targets/target.h"

namespace jang::targets::awq {

[[nodiscard]] const Target& target();

}  // namespace jang::targets::awq
