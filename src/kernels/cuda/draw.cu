// SPDX-License-Identifier: Apache-2.0
// A block per row, a warp per section of it: the largest logit, the sum of every section, then the section that holds the point, step by
// step. Sums are in double, as on the processor, so that devices draw the same token from the same logits but for points within rounding of
// a boundary.
#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/draw.h"

namespace jang::kernels::cuda {
namespace {

constexpr int kThreads = 1024, kWarps = kThreads / 32;

// Sum over the lanes up to this one, itself included.
__device__ double warp_prefix(double x) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
#pragma unroll
  for (int o = 1; o < 32; o <<= 1) {
    const double other = __shfl_up_sync(~0u, x, o);
    if (lane >= o) x += other;
  }
  return x;
}

__global__ void __launch_bounds__(kThreads) draw_kernel(Rows logits, const double* at, std::int32_t* ids, std::int64_t columns) {
  begin_kernel();
  __shared__ double sums[kWarps];
  const std::int64_t row = blockIdx.x, section = (columns + kThreads - 1) / kThreads * 32;
  const float* x = logits.at + row * logits.stride;
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  float largest = -INFINITY;
  int bad = 0;
  for (std::int64_t j = threadIdx.x; j < columns; j += kThreads) {
    bad |= static_cast<int>(!(x[j] < INFINITY));  // NaN compares false
    largest = fmaxf(largest, x[j]);
  }
  largest = block_max(largest);
  if (__syncthreads_or(bad) != 0 || largest == -INFINITY) {
    if (threadIdx.x == 0) ids[row] = -1;
    return;
  }
  const auto term = [&](std::int64_t j) { return j < columns ? exp(static_cast<double>(x[j]) - static_cast<double>(largest)) : 0.0; };
  double sum = 0;
  for (std::int64_t j = warp * section + lane; j < min((warp + 1) * section, columns); j += 32) sum += term(j);
  sum = warp_sum(sum);
  if (lane == 0) sums[warp] = sum;
  __syncthreads();
  if (warp != 0) return;
  const double before = warp_prefix(sums[lane]), point = at[row] * __shfl_sync(~0u, before, 31);
  const unsigned beyond = __ballot_sync(~0u, before > point);
  const int first = beyond == 0 ? kWarps - 1 : __ffs(static_cast<int>(beyond)) - 1;
  double reached = first == 0 ? 0.0 : __shfl_sync(~0u, before, first - 1);
  std::int64_t last = 0;  // that can be drawn at all: the answer where rounding leaves the sum just below the point
  for (std::int64_t begin = first * section; begin < columns; begin += 32) {
    const double p = term(begin + lane), upto = reached + warp_prefix(p);
    const unsigned found = __ballot_sync(~0u, p > 0 && upto > point), possible = __ballot_sync(~0u, p > 0);
    if (possible != 0) last = begin + 31 - __clz(static_cast<int>(possible));
    if (found != 0) {
      last = begin + __ffs(static_cast<int>(found)) - 1;
      break;
    }
    reached = __shfl_sync(~0u, upto, 31);
  }
  if (lane == 0) ids[row] = static_cast<std::int32_t>(last);
}

}  // namespace

void draw(const Rows& logits, const double* at, std::int32_t* ids, std::int64_t n, std::int64_t columns, Stream stream) {
  launch(draw_kernel, dim3(static_cast<unsigned>(n)), dim3(kThreads), 0, stream, logits, at, ids, columns);
}

}  // namespace jang::kernels::cuda
