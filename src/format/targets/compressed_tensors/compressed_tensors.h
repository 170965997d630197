// SPDX-License-Identifier: Apache-2.0
// The targets `vllm` and `vllm-symmetric`: Hugging Face directories whose linear maps are packed as compressed-tensors' pack-quantized
// integers, which vLLM (0.33) runs at 2 to 8 bits. They differ in the zero points that they write; what they read is the same.
//
//   <module>.weight_packed      I32 [out, in*b/32]              codes, the bit stream of codec/affine.h
//   <module>.weight_scale       [out, in/group]                 the plan's float type
//   <module>.weight_zero_point  I32 [ceil(out*b/32), in/group]  down the columns (codec/column_codes.h); symmetric ones have none
//   <module>.weight_shape       I64 [2]                         out, in
//
// Value = (code - zero) * scale, zero = 2^(b-1) where there is none. Experts are modules of their own. What says which module is packed how
// is config.json's quantization_config (quantization_config.h).
#pragma once

#include "format/targets/target.h"

namespace jang::targets::compressed_tensors {

[[nodiscard]] const Target& vllm();
[[nodiscard]] const Target& vllm_symmetric();

}  // namespace jang::targets::compressed_tensors
