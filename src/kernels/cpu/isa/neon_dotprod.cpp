// SPDX-License-Identifier: Apache-2.0
// The NEON fast linear kernel for cores with the dot product instructions of Armv8.2 (FEAT_DotProd). Compiled with +dotprod; chosen at run
// time.
#include "kernels/cpu/isa/isa.h"
#include "kernels/cpu/isa/neon_int8.h"

#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace jang::kernels {
namespace {

struct HardwareDot {
  static int32x4_t add(int32x4_t acc, int8x16_t w, int8x16_t x) { return vdotq_s32(acc, w, x); }
};

bool available() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
  return true;  // every 64-bit Mac has it
#else
  return false;
#endif
}

using Kernel = generic::Linear<NeonInt8<HardwareDot>>;

}  // namespace

const LinearKernel kNeonDotprodInt8{"neon_dotprod",      Precision::fast, available,     Kernel::supports,
                                    Kernel::input_bytes, Kernel::prepare, Kernel::matmul};

}  // namespace jang::kernels
