// SPDX-License-Identifier: Apache-2.0
// Routing: a warp per token finds its experts; then a block per expert counts its pairs and gives them slots in the order of tokens.
#include "kernels/cuda/experts.h"

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;

// NaN compares like the smallest number: a strict order whatever the weights were.
__device__ float comparable(float p) { return p == p ? p : -1.0f; }

__global__ void choose_kernel(RouteArgs a) {
  begin_kernel();
  const std::int64_t t = static_cast<std::int64_t>(blockIdx.x) * kWarps + (threadIdx.x >> 5);
  const int lane = static_cast<int>(threadIdx.x) & 31;
  if (t >= a.n) return;
  float* p = a.logits.at + t * a.logits.stride;
  float largest = -INFINITY;
  for (int e = lane; e < a.experts; e += 32) largest = fmaxf(largest, p[e]);
  largest = warp_max(largest);
  float sum = 0;
  for (int e = lane; e < a.experts; e += 32) {
    p[e] = largest == -INFINITY && p[e] == p[e] ? 0.0f : expf(p[e] - largest);
    sum += p[e];
  }
  sum = warp_sum(sum);
  for (int e = lane; e < a.experts; e += 32) p[e] = largest == -INFINITY && p[e] == p[e] ? 0.0f : p[e] / sum;
  // The next choice is the largest behind the last one in the order (value down, index up).
  float* weights = a.weights.at + t * a.weights.stride;
  float last = INFINITY, total = 0;
  int last_index = -1;
  for (int k = 0; k < a.top_k; ++k) {
    float best = -2.0f;
    int best_index = a.experts;
    for (int e = lane; e < a.experts; e += 32) {
      const float value = comparable(p[e]);
      const bool open = value < last || (value == last && e > last_index);
      if (open && value > best) best = value, best_index = e;  // e ascends: the lower index stays
    }
#pragma unroll
    for (int o = 16; o > 0; o >>= 1) {
      const float other = __shfl_xor_sync(~0u, best, o);
      const int other_index = __shfl_xor_sync(~0u, best_index, o);
      if (other > best || (other == best && other_index < best_index)) best = other, best_index = other_index;
    }
    last = best;
    last_index = best_index;
    const float weight = p[best_index];
    total += weight;
    if (lane == 0) {
      a.chosen[t * a.top_k + k] = best_index;
      weights[k] = weight;
    }
  }
  if (lane == 0 && a.normalized)
    for (int k = 0; k < a.top_k; ++k) weights[k] /= total;
}

// A block per expert: how many pairs belong to lower experts, then its own, in order.
__global__ void group_kernel(RouteArgs a) {
  begin_kernel();
  const int e = static_cast<int>(blockIdx.x), lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const std::int64_t pairs = a.n * a.top_k;
  __shared__ int found[kWarps];
  int lower = 0;
  for (std::int64_t i = threadIdx.x; i < pairs; i += kThreads) lower += a.chosen[i] < e ? 1 : 0;
  lower = __reduce_add_sync(~0u, lower);
  if (lane == 0) found[warp] = lower;
  __syncthreads();
  int next = 0;
  for (int w = 0; w < kWarps; ++w) next += found[w];
  if (threadIdx.x == 0) {
    a.begin[e] = next;
    if (e == a.experts - 1) a.begin[a.experts] = static_cast<std::int32_t>(pairs);
  }
  for (std::int64_t begin = 0; begin < pairs; begin += kThreads) {
    const std::int64_t i = begin + threadIdx.x;
    const bool mine = i < pairs && a.chosen[i] == e;
    const unsigned votes = __ballot_sync(~0u, mine);
    __syncthreads();
    if (lane == 0) found[warp] = __popc(votes);
    __syncthreads();
    int before = 0, all = 0;
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) before += found[w];
      all += found[w];
    }
    if (mine) {
      const int slot = next + before + __popc(votes & ((1u << lane) - 1u));
      a.slots[i] = slot;
      a.tokens[slot] = static_cast<std::int32_t>(i / a.top_k);
    }
    next += all;
  }
}

__global__ void combine_kernel(Rows x, Rows weights, const std::int32_t* slots, std::int64_t top_k, Rows out, std::int64_t columns) {
  begin_kernel();
  const std::int64_t t = blockIdx.x;
  for (std::int64_t j = threadIdx.x; j < columns; j += blockDim.x) {
    float sum = 0;
    for (std::int64_t k = 0; k < top_k; ++k) {
      const std::int64_t slot = slots[t * top_k + k];
      sum = fmaf(weights.at[t * weights.stride + k], x.at[slot * x.stride + j], sum);
    }
    out.at[t * out.stride + j] = sum;
  }
}

constexpr int kTile = 64, kSlice = 16;

// A block per tile of 64 x 64 on or above the diagonal; four by four sums a thread, over the rows in order.
__global__ void __launch_bounds__(256) gram_kernel(const float* x, std::int64_t n, std::int64_t columns, float* out) {
  begin_kernel();
  if (blockIdx.x < blockIdx.y) return;
  __shared__ float left[kSlice][kTile], right[kSlice][kTile];
  const std::int64_t i0 = static_cast<std::int64_t>(blockIdx.y) * kTile, j0 = static_cast<std::int64_t>(blockIdx.x) * kTile;
  const int row = static_cast<int>(threadIdx.x) / 16 * 4, column = static_cast<int>(threadIdx.x) % 16 * 4;
  float sums[4][4] = {};
  for (std::int64_t t0 = 0; t0 < n; t0 += kSlice) {
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kSlice * kTile; i += 256) {
      const int t = i / kTile, c = i % kTile;
      left[t][c] = t0 + t < n && i0 + c < columns ? x[(t0 + t) * columns + i0 + c] : 0.0f;
      right[t][c] = t0 + t < n && j0 + c < columns ? x[(t0 + t) * columns + j0 + c] : 0.0f;
    }
    __syncthreads();
    const int rows = n - t0 < kSlice ? static_cast<int>(n - t0) : kSlice;
    for (int t = 0; t < rows; ++t)
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] = fmaf(left[t][row + i], right[t][column + j], sums[i][j]);
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      const std::int64_t r = i0 + row + i, c = j0 + column + j;
      if (r < columns && c < columns && c >= r) out[r * columns + c] += sums[i][j];
    }
}

}  // namespace

void route(const RouteArgs& a, Stream stream) {
  launch(choose_kernel, dim3(blocks_of(a.n, kWarps)), dim3(kThreads), 0, stream, a);
  launch(group_kernel, dim3(static_cast<unsigned>(a.experts)), dim3(kThreads), 0, stream, a);
}

void combine(const Rows& x, const Rows& weights, const std::int32_t* slots, std::int64_t top_k, const Rows& out, std::int64_t n,
             std::int64_t columns, Stream stream) {
  launch(combine_kernel, dim3(static_cast<unsigned>(n)), dim3(kThreads), 0, stream, x, weights, slots, top_k, out, columns);
}

void gram(const float* x, std::int64_t n, std::int64_t columns, float* out, Stream stream) {
  const unsigned tiles = blocks_of(columns, kTile);
  launch(gram_kernel, dim3(tiles, tiles), dim3(256), 0, stream, x, n, columns, out);
}

}  // namespace jang::kernels::cuda
