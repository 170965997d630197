// SPDX-License-Identifier: Apache-2.0
// The NEON fast linear kernel for every 64-bit Arm core: products widened to 16 bits, added in pairs to 32.
#include "kernels/cpu/isa/neon_int8.h"

#include "kernels/cpu/isa/isa.h"

namespace jang::kernels {
namespace {

struct WideningDot {
  static int32x4_t add(int32x4_t acc, int8x16_t w, int8x16_t x) {
    const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x)), high = vmull_high_s8(w, x);
    return vaddq_s32(acc, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
  }
};

using Kernel = generic::Linear<NeonInt8<WideningDot>>;

}  // namespace

const LinearKernel kNeonInt8{"neon_int8",         Precision::fast, [] { return true; }, Kernel::supports,
                             Kernel::input_bytes, Kernel::prepare, Kernel::matmul};

}  // namespace jang::kernels
