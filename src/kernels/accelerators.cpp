// SPDX-License-Identifier: Apache-2.0
// The accelerators that this build knows.
#include "kernels/accelerators.h"

#ifdef JANG_HAS_CUDA
#include "kernels/cuda/cuda.h"
#endif

namespace jang::kernels {

Accelerators cuda_accelerators() {
#ifdef JANG_HAS_CUDA
  return find_cuda_cards();
#else
  Accelerators none;
  none.problem = "this build has no CUDA device; configure it with -DJANG_CUDA=ON, which needs nvcc";
  return none;
#endif
}

}  // namespace jang::kernels
