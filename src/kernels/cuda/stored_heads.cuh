// SPDX-License-Identifier: Apache-2.0
// Heads of queries and keys on their way into caches, a warp each: norm, rotation, storing.
#pragma once

#include "kernels/cuda/attention.h"
#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {

// One head of one token, by a warp: norm and rotation, from `from` to `to` and `also` (null: nowhere), which may be `from`.
__device__ inline void norm_and_rotate(const float* from, int dim, const float* norm, float eps, float offset, const float* cosines,
                                       const float* sines, int half, int lane, float* to, float* also) {
  float factor = 1;
  if (norm != nullptr) {
    float sum = 0;
    for (int j = lane; j < dim; j += 32) sum = fmaf(from[j], from[j], sum);
    factor = 1.0f / sqrtf(warp_sum(sum) / static_cast<float>(dim) + eps);
  }
  const auto normed = [&](int j) { return norm != nullptr ? from[j] * factor * (norm[j] + offset) : from[j]; };
  const auto put = [&](int j, float value) {
    to[j] = value;
    if (also != nullptr) also[j] = value;
  };
  // A lane has read what it overwrites. Pairs are read two at a time: they come from far away.
  for (int j = lane; j < half; j += 64) {
    const int k = j + 32 < half ? j + 32 : j;
    const float a0 = normed(j), b0 = normed(j + half), c0 = cosines[j], s0 = sines[j];
    const float a1 = normed(k), b1 = normed(k + half), c1 = cosines[k], s1 = sines[k];
    put(j, a0 * c0 - b0 * s0);
    put(j + half, b0 * c0 + a0 * s0);
    if (k == j) continue;
    put(k, a1 * c1 - b1 * s1);
    put(k + half, b1 * c1 + a1 * s1);
  }
  for (int j = 2 * half + lane; j < dim; j += 32) put(j, normed(j));
  __syncwarp();
}

// q8: scale = max|x| / 127, code = x * (127 / max|x|) to the nearest integer, half to even: the bytes of every backend. NaN gives code 0.
__device__ inline void store_q8(const float* x, int dim, std::byte* row, int lane) {
  float largest = 0;
  for (int j = lane; j < dim; j += 32) largest = fabsf(x[j]) > largest ? fabsf(x[j]) : largest;
  largest = warp_max(largest);
  const float scale = __fdiv_rn(largest, 127.0f), inverse = largest > 0 ? __fdiv_rn(127.0f, largest) : 0.0f;
  for (int j = lane; j < dim; j += 32) {
    const float v = rintf(__fmul_rn(x[j], inverse));
    const float bounded = v >= -127.0f ? (v <= 127.0f ? v : 127.0f) : (v < -127.0f ? -127.0f : 0.0f);
    row[j] = static_cast<std::byte>(static_cast<std::int8_t>(bounded));
  }
  if (lane < 4) row[dim + lane] = static_cast<std::byte>(__float_as_uint(scale) >> (8 * lane));
}

__device__ inline void store_row(KvType type, const float* x, int dim, std::byte* row, int lane, int* overflowed) {
  if (type == KvType::q8) return store_q8(x, dim, row, lane);
  for (int j = lane; j < dim; j += 32) {
    const float value = x[j];
    if (type == KvType::f32) {
      reinterpret_cast<float*>(row)[j] = value;
    } else if (type == KvType::bf16) {
      reinterpret_cast<__nv_bfloat16*>(row)[j] = __float2bfloat16_rn(value);
    } else {
      const __half half = __float2half_rn(value);
      reinterpret_cast<__half*>(row)[j] = half;
      if (__hisinf(half) != 0) *overflowed = 1;
    }
  }
}

// A head of queries, or of keys, of a row.
__device__ inline void rotate_head(const RopeStoreArgs& a, bool of_queries, const float* from, int dim, std::int64_t row, float* to,
                                   float* also) {
  norm_and_rotate(from, dim, of_queries ? a.q_norm : a.k_norm, a.eps, a.offset, a.cosines.at + row * a.cosines.stride,
                  a.sines.at + row * a.sines.stride, a.half, static_cast<int>(threadIdx.x) & 31, to, also);
}

}  // namespace jang::kernels::cuda
