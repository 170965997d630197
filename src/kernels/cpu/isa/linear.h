// SPDX-License-Identifier: Apache-2.0
// The fast linear kernels for packed weights, one per instruction set; which exist depends on the target processor. Fastest first.
#pragma once

#include "kernels/ops.h"

namespace jang::kernels {

#if defined(__x86_64__)
extern const LinearKernel kAvx512VnniInt8;
extern const LinearKernel kAvx2Int8;
#elif defined(__aarch64__)
extern const LinearKernel kNeonDotprodInt8;
extern const LinearKernel kNeonInt8;
#endif

}  // namespace jang::kernels
