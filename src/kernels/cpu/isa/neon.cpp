// SPDX-License-Identifier: Apache-2.0
// NEON lanes for the generic encode ops: 4 rows at a time (64-bit Arm, where NEON, FMA and half conversion are always there).
#include <arm_neon.h>

#include "kernels/cpu/generic/encode_integer.h"
#include "kernels/cpu/generic/feedback.h"
#include "kernels/cpu/isa/isa.h"

namespace jang::kernels {
namespace {

struct Neon {
  static constexpr int kLanes = 4;
  using F = float32x4_t;
  using M = uint32x4_t;
  static F load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, F a) { vst1q_f32(p, a); }
  static F set1(float a) { return vdupq_n_f32(a); }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F fnma(F a, F b, F c) { return vfmsq_f32(c, a, b); }
  // vminq/vmaxq return NaN when either side is; the contract is "a op b ? a : b".
  static F min(F a, F b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static F max(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static M less(F a, F b) { return vcltq_f32(a, b); }
  static F select(M m, F a, F b) { return vbslq_f32(m, a, b); }
  static F abs(F a) { return vabsq_f32(a); }
  static F round_even(F a) { return vrndnq_f32(a); }
  static F round_to(DType dtype, F a) {
    if (dtype == DType::bf16) {
      const uint32x4_t u = vreinterpretq_u32_f32(a);
      const uint32x4_t odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
      const uint32x4_t r = vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
      return vreinterpretq_f32_u32(vandq_u32(r, vdupq_n_u32(0xffff0000u)));
    }
    if (dtype == DType::f16) return vcvt_f32_f16(vcvt_f16_f32(a));
    return a;
  }
};

}  // namespace

constinit const Encoders kNeonEncoders{generic::encode_rtn<Neon>, generic::encode_fit<Neon>, generic::encode_feedback<Neon>,
                                       generic::add_gram_rows<Neon>};

}  // namespace jang::kernels
