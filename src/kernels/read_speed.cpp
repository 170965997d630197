// SPDX-License-Identifier: Apache-2.0
// The card's memory where the device is a card, the processor's everywhere else.
#include "kernels/read_speed.h"

#include "kernels/kernel_bench.h"
#ifdef JANG_HAS_CUDA
#include "kernels/cuda/cuda.h"
#endif

namespace jang::kernels {

double read_gbps([[maybe_unused]] Device& device, int threads) {
#ifdef JANG_HAS_CUDA
  if (device.name() == kCudaName) return cuda_read_gbps(device);
#endif
  return read_gbps(threads);
}

}  // namespace jang::kernels
