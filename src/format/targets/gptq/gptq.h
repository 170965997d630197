// SPDX-License-Identifier: Apache-2.0
// The target `gptq`: the files of GPTQ's tools (AutoGPTQ, GPTQModel), written symmetric at 4 and 8 bits, as engines run them, and read at
// 2, 3, 4 and 8 bits with any zero points.
//
//   <module>.qweight  I32 [in*b/32, out]        codes down a column of the file, a stream of b bits: word (k, r) is word k of row r
//   <module>.qzeros   I32 [in/group, out*b/32]  zero points along the rows, a stream of b bits per group
//   <module>.scales   F16 [in/group, out]
//   <module>.g_idx    I32 [in]                  the group of every column
//
// Value = (code - zero) * scale. Files of checkpoint_format "gptq" hold zero - 1 (arrangement.h says how), those of "gptq_v2" the zero;
// written is the former, which every loader reads. Modules of another width or group than most are named by regular expressions in
// quantization_config's `dynamic`. Experts are modules of their own.
#pragma once

#include "format/targets/target.h"

namespace jang::targets::gptq {

[[nodiscard]] const Target& target();

}  // namespace jang::targets::gptq
