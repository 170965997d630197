// SPDX-License-Identifier: Apache-2.0
// What each instruction set of the CPU brings. Which exist depends on the target processor; instruction_set.cpp lists them.
#pragma once

#include "kernels/encode.h"
#include "kernels/ops.h"

namespace jang::kernels {

#if defined(__x86_64__)
[[nodiscard]] bool avx2_available();
extern const Ops kAvx2Ops;
extern const Encoders kAvx2Encoders;
extern const LinearKernel kAvx2Linear, kAvx2Int8;

[[nodiscard]] bool avx512_available();
extern const Ops kAvx512Ops;
extern const Encoders kAvx512Encoders;
extern const LinearKernel kAvx512Linear, kAvx512VnniInt8;
#elif defined(__aarch64__)
[[nodiscard]] bool neon_available();
extern const Ops kNeonOps;
extern const Encoders kNeonEncoders;
extern const LinearKernel kNeonLinear, kNeonInt8, kNeonDotprodInt8;
#endif

}  // namespace jang::kernels
