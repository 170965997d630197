// SPDX-License-Identifier: Apache-2.0
// Rows of a 16-bit cache as floats.
#pragma once

#include "kernels/cuda/attention.h"
#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {

// Eight values of f16 or bf16.
__device__ __forceinline__ void as_floats(KvType type, const uint4& raw, float (&out)[8]) {
  const std::uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (type == KvType::bf16) {
      out[2 * i] = __uint_as_float(words[i] << 16);
      out[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
    } else {
      const float2 pair = __half22float2(*reinterpret_cast<const __half2*>(&words[i]));
      out[2 * i] = pair.x;
      out[2 * i + 1] = pair.y;
    }
  }
}

}  // namespace jang::kernels::cuda
