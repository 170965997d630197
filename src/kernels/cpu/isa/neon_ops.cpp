// SPDX-License-Identifier: Apache-2.0
// NEON lanes for the ops of inference (64-bit Arm, where NEON, FMA and half conversion are always there).
#include <arm_neon.h>

#include <array>

#include "kernels/cpu/generic/op_table.h"
#include "kernels/cpu/isa/isa.h"

namespace jang::kernels {
namespace {

// Where code i of 8 lies in its `bits` bytes: the bytes that hold it, to the low end of dword i, and how far to shift it (left, so
// negative).
template <int kBits>
struct Gather {
  std::array<std::uint8_t, 32> bytes{};
  std::array<std::int32_t, 8> shifts{};
  constexpr Gather() {
    for (int i = 0; i < 8; ++i) {
      const int first = i * kBits / 8, last = (i * kBits + kBits - 1) / 8;
      bytes[i * 4] = static_cast<std::uint8_t>(first);
      bytes[i * 4 + 1] = static_cast<std::uint8_t>(last != first ? last : 255);
      bytes[i * 4 + 2] = bytes[i * 4 + 3] = 255;
      shifts[i] = -(i * kBits % 8);
    }
  }
};
template <int kBits>
constexpr Gather<kBits> kGather{};

struct Neon {
  static constexpr int kLanes = 4, kTileRows = 3, kTileInputs = 4, kDirectInputs = 8, kDirectRows = 4, kMixVectors = 4;
  using F = float32x4_t;
  template <class T>
  static T load_bytes(const void* p) {
    T v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static F load(const void* p) { return load_bytes<F>(p); }
  static void store(float* p, F a) { vst1q_f32(p, a); }
  static F load_f16(const void* p) { return vcvt_f32_f16(vreinterpret_f16_u16(load_bytes<uint16x4_t>(p))); }
  static F load_bf16(const void* p) { return vreinterpretq_f32_u32(vshll_n_u16(load_bytes<uint16x4_t>(p), 16)); }
  static F load_s8(const void* p) {
    const int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(load_bytes<std::uint32_t>(p)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
  }
  static void store_f16(void* p, F a) {
    const uint16x4_t h = vreinterpret_u16_f16(vcvt_f16_f32(a));
    std::memcpy(p, &h, sizeof h);
  }
  static void store_bf16(void* p, F a) {
    const uint32x4_t u = vreinterpretq_u32_f32(a), odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    const uint16x4_t h = vshrn_n_u32(vbslq_u32(vceqq_f32(a, a), rounded, vorrq_u32(u, vdupq_n_u32(0x400000))), 16);
    std::memcpy(p, &h, sizeof h);
  }
  static void store_s8(void* p, F a) {
    const int16x4_t words = vqmovn_s32(vcvtnq_s32_f32(a));
    const int8x8_t bytes = vqmovn_s16(vcombine_s16(words, words));
    std::memcpy(p, &bytes, 4);
  }
  static F value(DType dtype, const std::byte* base, std::int64_t i) {
    if (dtype == DType::f32) return set1(load_bytes<float>(base + i * 4));
    const uint16x4_t h = vdup_n_u16(load_bytes<std::uint16_t>(base + i * 2));
    return dtype == DType::f16 ? vcvt_f32_f16(vreinterpret_f16_u16(h)) : vreinterpretq_f32_u32(vshll_n_u16(h, 16));
  }
  template <int kBits>
  static void unpack(const std::byte* p, F* out) {
    for (int part = 0; part < 4; ++part) {
      const std::uint64_t packed = generic::load_packed<kBits>(p + part * kBits);  // 8 codes
      const uint8x16_t bytes = vreinterpretq_u8_u64(vdupq_n_u64(packed));
      for (int half = 0; half < 2; ++half) {
        const uint32x4_t spread = vreinterpretq_u32_u8(vqtbl1q_u8(bytes, vld1q_u8(kGather<kBits>.bytes.data() + half * 16)));
        const uint32x4_t code =
            vandq_u32(vshlq_u32(spread, vld1q_s32(kGather<kBits>.shifts.data() + half * 4)), vdupq_n_u32((1 << kBits) - 1));
        out[part * 2 + half] = vcvtq_f32_u32(code);
      }
    }
  }
  static F set1(float a) { return vdupq_n_f32(a); }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F fnma(F a, F b, F c) { return vfmsq_f32(c, a, b); }
  static F min(F a, F b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static F max(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static F abs(F a) { return vabsq_f32(a); }
  static F round_even(F a) { return vrndnq_f32(a); }
  // In two factors, each a normal float.
  static F scale_by_power(F p, F n) {
    const int32x4_t i = vcvtnq_s32_f32(n), half = vshrq_n_s32(i, 1);
    const auto power = [](int32x4_t e) { return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(e, vdupq_n_s32(127)), 23)); };
    return mul(mul(p, power(half)), power(vsubq_s32(i, half)));
  }
  static float sum(F a) { return vaddvq_f32(a); }
  static float max_of(F a) { return vmaxvq_f32(a); }
  static void sum4(F a, F b, F c, F d, float* out) { vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))); }
  static void load4(const float* p, F (&out)[4]) {
    const float32x4x4_t four = vld4q_f32(p);
    for (int j = 0; j < 4; ++j) out[j] = four.val[j];
  }
  static void keep(F& a) { asm("" : "+w"(a)); }
  static void prefetch(std::uintptr_t at) { __builtin_prefetch(reinterpret_cast<const void*>(at)); }
};

}  // namespace

constinit const LinearKernel kNeonLinear{"neon",          Precision::exact,  neon_available,       exact_supports,
                                         float_row_bytes, prepare_float_row, generic::matmul<Neon>};
constinit const Ops kNeonOps = generic::ops<Neon>();

}  // namespace jang::kernels
