// SPDX-License-Identifier: Apache-2.0
// Activations of gated units, as the kernel of rows and the maps that apply them to their results compute them.
#pragma once

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// 0 silu, 1 gelu_tanh, 2 sigmoid, 3 gelu, 4 relu2, 5 identity.
__device__ __forceinline__ float activated(int activation, float x) {
  if (activation == 0) return x * sigmoid(x);
  if (activation == 2) return sigmoid(x);
  if (activation == 3) return 0.5f * x * (1.0f + erff(x * 0.70710678118654752440f));
  if (activation == 4) return x < 0.0f ? 0.0f : x * x;
  if (activation == 5) return x;
  return 0.5f * x * (1.0f + tanhf(0.79788456080286535588f * (x + 0.044715f * x * x * x)));
}

}  // namespace jang::kernels::cuda
