// SPDX-License-Identifier: Apache-2.0
// A warp per group, some values to a lane; everything is read and written once, so it is bound by memory: 28 bytes a weight.
#include "kernels/backward.h"
#include "kernels/cuda/backward_training.h"
#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float as_stored(DType dtype, float v) {
  if (dtype == DType::bf16) return __bfloat162float(__float2bfloat16_rn(v));
  if (dtype == DType::f16) return __half2float(__float2half_rn(v));
  return v;
}

__device__ __forceinline__ void adam(const PackedStepArgs& a, float gradient, float rate, const TrainedValues& v, std::int64_t i) {
  const float first = kAdamBeta1 * v.first[i] + (1 - kAdamBeta1) * gradient;
  const float second = kAdamBeta2 * v.second[i] + (1 - kAdamBeta2) * gradient * gradient;
  v.first[i] = first;
  v.second[i] = second;
  v.value[i] -= rate * (first * a.correction1) / (sqrtf(second * a.correction2) + kAdamEpsilon);
}

// kValues: of a lane, group_size / 32.
template <int kValues>
__global__ void __launch_bounds__(kThreads) train_kernel(PackedStepArgs a) {
  begin_kernel();
  const std::int64_t group = static_cast<std::int64_t>(blockIdx.x) * (kThreads / 32) + (threadIdx.x >> 5);
  if (group >= a.n_groups) return;
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const std::int64_t at = group * 32 * kValues + lane;  // value i of the lane is at + 32 i
  const float largest = static_cast<float>(a.max_code), scale0 = a.scales0[group];
  const auto scale = [&] { return as_stored(a.stored, scale0 * (1 + a.scales.value[group])); };
  const auto code = [&](std::int64_t j) {
    return a.codes != nullptr ? static_cast<float>(a.codes[j]) : floorf(fminf(fmaxf(0.0f, a.latents.value[j] + 0.5f), largest));
  };
  if (a.gradient != nullptr && scale0 != 0) {
    float along = 0, sum = 0;  // of the gradient with the codes, and alone
    const float s = scale();
#pragma unroll
    for (int i = 0; i < kValues; ++i) {
      const std::int64_t j = at + 32 * i;
      const float gradient = a.gradient[j];
      along = fmaf(gradient, code(j), along);
      sum += gradient;
      if (a.codes != nullptr) continue;
      const float latent = a.latents.value[j];
      adam(a, latent >= -0.5f && latent <= largest + 0.5f ? s * gradient : 0.0f, a.latent_rate, a.latents, j);
    }
    along = warp_sum(along);
    sum = warp_sum(sum);
    if (lane == 0) {
      adam(a, scale0 * along, a.scale_rate, a.scales, group);
      adam(a, fabsf(scale0) * sum, a.bias_rate, a.biases, group);
    }
    __syncwarp();
  }
  // Not fused: the host computes the same bits when the values are stored.
  const float s = scale(), b = as_stored(a.stored, __fadd_rn(a.biases0[group], __fmul_rn(fabsf(scale0), a.biases.value[group])));
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    const std::int64_t j = at + 32 * i;
    if (a.gradient != nullptr) a.gradient[j] = 0;
    a.weights[j] = fmaf(code(j), s, b);
  }
}

template <int kValues>
void enqueue(const PackedStepArgs& a, Stream stream) {
  launch(train_kernel<kValues>, dim3(blocks_of(a.n_groups, kThreads / 32)), dim3(kThreads), 0, stream, a);
}

}  // namespace

void train(const PackedStepArgs& step, Stream stream) {
  if (step.group_size == 32) return enqueue<1>(step, stream);
  if (step.group_size == 64) return enqueue<2>(step, stream);
  enqueue<4>(step, stream);
}

}  // namespace jang::kernels::cuda
