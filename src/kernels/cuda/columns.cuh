// SPDX-License-Identifier: Apache-2.0
// Which inputs a block multiplies: groups of at most `size` rows of y that share a matrix.
#pragma once

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {

struct InputGroup {
  int expert = 0, first = 0, count = 0;  // rows [first, first + count) of y; count 0: the group does not exist
  int base = 0;                          // multiple of kAlign at or in front of `first`; the group ends `size` rows behind it at most
};

// Group `index`, of as many as group_count() says at least. Every thread of a warp calls it.
template <int kAlign = 1>
__device__ __forceinline__ InputGroup find_group(const Columns& c, int index, int size) {
  InputGroup g;
  if (c.begin == nullptr) {
    g.first = g.base = index * size;
    g.count = max(0, min(size, static_cast<int>(c.n) - g.first));
    return g;
  }
  // Each warp for itself: sums of the experts' groups, 32 experts at a time.
  const int lane = static_cast<int>(threadIdx.x) & 31;
  int before = 0;  // groups of the experts in front
  for (int e0 = 0; e0 < c.experts; e0 += 32) {
    const int e = e0 + lane;
    const int first = e < c.experts ? c.begin[e] : 0, count = e < c.experts ? c.begin[e + 1] - first : 0;
    const int base = first & ~(kAlign - 1), groups = count == 0 ? 0 : (first + count - base + size - 1) / size;
    const int sum = warp_prefix_sum(groups);
    const int at = index - before - (sum - groups);
    const unsigned here = __ballot_sync(~0u, at >= 0 && at < groups);
    if (here != 0) {
      const int source = __ffs(static_cast<int>(here)) - 1;
      g.expert = e0 + source;
      g.base = __shfl_sync(~0u, base + at * size, source);
      g.first = max(g.base, __shfl_sync(~0u, first, source));
      g.count = min(g.base + size, __shfl_sync(~0u, first + count, source)) - g.first;
      return g;
    }
    before += __shfl_sync(~0u, sum, 31);
  }
  return g;
}

// Groups there can be.
template <int kAlign = 1>
[[nodiscard]] std::int64_t group_count(const Columns& c, int size) {
  if (c.begin == nullptr) return (c.n + size - 1) / size;
  const std::int64_t most = (c.n + (kAlign - 1) * static_cast<std::int64_t>(c.experts)) / size + c.experts;
  return most < c.n ? most : c.n;
}

// Row of x that row `i` of y comes from.
__device__ __forceinline__ std::int64_t input_row(const Columns& c, int i) { return c.tokens != nullptr ? c.tokens[i] : i; }

}  // namespace jang::kernels::cuda
