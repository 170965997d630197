// SPDX-License-Identifier: Apache-2.0
// A block per row of predictions: both log-sums, then the divergence and its gradient in one pass more. Long sums are in double: what is
// left of them is a hundredth of their terms.
#include "kernels/cuda/backward_loss.h"

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__device__ double log_sum_exp(const float* x, std::int64_t n) {
  float largest = -INFINITY;
  bool broken = false;
  for (std::int64_t j = threadIdx.x; j < n; j += blockDim.x) {
    largest = fmaxf(largest, x[j]);
    broken = broken || isnan(x[j]);
  }
  largest = block_max(largest);
  double sum = broken ? static_cast<double>(NAN) : 0.0;
  for (std::int64_t j = threadIdx.x; j < n; j += blockDim.x) sum += static_cast<double>(expf(x[j] - largest));
  return static_cast<double>(largest) + log(block_sum(sum));
}

__global__ void divergence_kernel(Rows reference, float weight, Rows logits, Rows sums, std::int64_t columns) {
  begin_kernel();
  const std::int64_t row = blockIdx.x;
  const float* r = reference.at + row * reference.stride;
  float* z = logits.at + row * logits.stride;
  const double of_reference = log_sum_exp(r, columns), of_logits = log_sum_exp(z, columns);
  const auto a = static_cast<float>(of_reference), b = static_cast<float>(of_logits);
  double along = 0, total = 0;
  for (std::int64_t j = threadIdx.x; j < columns; j += blockDim.x) {
    const float p = expf(r[j] - a);
    if (p > 0) along += static_cast<double>(p) * (static_cast<double>(r[j]) - static_cast<double>(z[j]));
    total += static_cast<double>(p);
    if (weight != 0) z[j] = weight * (expf(z[j] - b) - p);
  }
  along = block_sum(along);
  total = block_sum(total);
  if (threadIdx.x == 0) sums.at[row * sums.stride] = static_cast<float>(along - total * (of_reference - of_logits));
}

}  // namespace

void divergence(const Rows& reference, float weight, const Rows& logits, const Rows& sums, std::int64_t n, std::int64_t columns,
                Stream stream) {
  launch(divergence_kernel, dim3(static_cast<unsigned>(n)), dim3(kThreads), 0, stream, reference, weight, logits, sums, columns);
}

}  // namespace jang::kernels::cuda
