// SPDX-License-Identifier: Apache-2.0
// The op tables and exact linear kernels of the CPU, one per instruction set; ops.cpp lists them.
#pragma once

#include "kernels/ops.h"

namespace jang::kernels {

#if defined(__x86_64__)
extern const Ops kAvx2Ops, kAvx512Ops;
extern const LinearKernel kAvx2Linear, kAvx512Linear;
#elif defined(__aarch64__)
extern const Ops kNeonOps;
extern const LinearKernel kNeonLinear;
#endif

}  // namespace jang::kernels
