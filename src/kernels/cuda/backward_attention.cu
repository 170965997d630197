// SPDX-License-Identifier: Apache-2.0
// A warp per query. With s = cap(scale q k^T), p = softmax(s) and dp = dout v^T:
//   ds = p (dp - sum_j p_j dp_j), through the cap, times scale
#include "kernels/cuda/backward_attention.h"

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;

// cap(scale x) and its slope by scale x.
__device__ __forceinline__ float2 capped(const ScoreArgs& a, float x) {
  x *= a.scale;
  if (a.softcap == 0) return make_float2(x, 1.0f);
  const float t = tanhf(x / a.softcap);
  return make_float2(a.softcap * t, 1.0f - t * t);
}

__global__ void __launch_bounds__(kThreads) scores_back_kernel(ScoreArgs a) {
  begin_kernel();
  const Scores of = a.scores[blockIdx.y];
  const int row = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x >> 5), lane = static_cast<int>(threadIdx.x) & 31;
  if (row >= of.rows) return;
  float* p = of.p + static_cast<std::int64_t>(row) * of.columns;
  float* ds = of.ds + static_cast<std::int64_t>(row) * of.columns;
  const int end = row + of.shift + 1, begin = a.window > 0 ? max(0, end - a.window) : 0;
  float largest = -INFINITY, sum = 0, mean = 0;
  for (int j = begin + lane; j < end; j += 32) largest = fmaxf(largest, capped(a, p[j]).x);
  largest = warp_max(largest);
  for (int j = begin + lane; j < end; j += 32) {
    const float e = expf(capped(a, p[j]).x - largest);
    sum += e;
    mean = fmaf(e, ds[j], mean);
  }
  sum = warp_sum(sum);
  mean = warp_sum(mean) / sum;
  for (int j = lane; j < of.columns; j += 32) {
    float probability = 0, slope = 0;
    if (j >= begin && j < end) {
      const float2 s = capped(a, p[j]);
      probability = expf(s.x - largest) / sum;
      slope = probability * (ds[j] - mean) * a.scale * s.y;
    }
    p[j] = probability;
    ds[j] = slope;
  }
}

}  // namespace

void scores_back(const ScoreArgs& a, std::int64_t n, std::int64_t most_rows, Stream stream) {
  launch(scores_back_kernel, dim3(blocks_of(most_rows, kWarps), static_cast<unsigned>(n)), dim3(kThreads), 0, stream, a);
}

}  // namespace jang::kernels::cuda
