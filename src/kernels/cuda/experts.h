// SPDX-License-Identifier: Apache-2.0
// Kernels of routing and of the sum over choices (device.h: Route, combine), and of Gram matrices.
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

struct RouteArgs {
  Rows logits, weights;  // [n, experts], overwritten; [n, top_k]
  std::int64_t n = 0;
  std::int32_t experts = 0, top_k = 0;
  bool normalized = false;
  std::int32_t* slots = nullptr;   // [n, top_k], contiguous
  std::int32_t* tokens = nullptr;  // [n * top_k]
  std::int32_t* begin = nullptr;   // [experts + 1]
  std::int32_t* chosen = nullptr;  // scratch [n * top_k]
};
void route(const RouteArgs& a, Stream stream);

// out[t] = sum over choices of weights[t, c] * x[slots[t, c]], in the order of choice.
void combine(const Rows& x, const Rows& weights, const std::int32_t* slots, std::int64_t top_k, const Rows& out, std::int64_t n,
             std::int64_t columns, Stream stream);

// out[i, j] += sum over rows t of x[t, i] x[t, j], j >= i. Contiguous.
void gram(const float* x, std::int64_t n, std::int64_t columns, float* out, Stream stream);

}  // namespace jang::kernels::cuda
