// SPDX-License-Identifier: Apache-2.0
// The fast linear kernels for packed weights, one per instruction set; which exist depends on the target processor. Fastest first.
#pragma once

#include "kernels/ops.h"

namespace jang::kernels {

#if defined(__x86_64__)
extern const LinearKernel kAvx512VnniInt8;
#endif

}  // namespace jang::kernels
