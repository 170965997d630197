// SPDX-License-Identifier: Apache-2.0
// NEON for the generic fast linear kernels, over the one operation in which Arm cores differ: Dot::add(acc, w, x) adds the products of
// signed bytes, four to a 32-bit lane. Codes of up to 6 bits are non-negative signed bytes; 8-bit codes are taken as signed, less 128.
// 3, 5 and 6 bit codes: every byte takes the byte its code begins in and the next one, each shifted into place by lane.
// Included by the files that define Dot, each compiled for its own instruction set.
#pragma once

#include <arm_neon.h>

#include <array>
#include <cstring>

#include "kernels/cpu/generic/linear.h"

namespace jang::kernels {

// Of 16 codes: the byte where code i begins, its bit offset there (negative: ushl shifts right), and the left shift of the byte after it.
template <int kBits>
constexpr std::array<std::uint8_t, 16> code_bytes(int next) {
  std::array<std::uint8_t, 16> a{};
  for (int i = 0; i < 16; ++i) a[i] = static_cast<std::uint8_t>(kBits * i / 8 + next);
  return a;
}
template <int kBits>
constexpr std::array<std::int8_t, 16> code_shifts(int next) {
  std::array<std::int8_t, 16> a{};
  for (int i = 0; i < 16; ++i) a[i] = static_cast<std::int8_t>(8 * next - kBits * i % 8);
  return a;
}

template <class Dot>
struct NeonInt8 {
  static constexpr int kBytes = 16, kLanes = 4;
  static constexpr int kRowTiles = 2, kMaxInputs = 6;
  using I = int32x4_t;
  using F = float32x4_t;

  static constexpr bool woven(int, int) { return false; }
  static constexpr float code_offset(int bits) { return bits == 8 ? 128 : 0; }
  static F zero() { return vdupq_n_f32(0); }
  static I zero_int() { return vdupq_n_s32(0); }
  static F set1(float a) { return vdupq_n_f32(a); }
  static F load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, F a) { vst1q_f32(p, a); }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F to_float(I a) { return vcvtq_f32_s32(a); }
  static I join(I high, I low) { return vaddq_s32(vshlq_n_s32(high, 8), low); }
  static I bits_of(F a) { return vreinterpretq_s32_f32(a); }
  static float sum(F a) { return vaddvq_f32(a); }
  static void prefetch(const std::byte* p) { __builtin_prefetch(p, 0, 3); }
  static void prefetch_far(const std::byte* p) { __builtin_prefetch(p, 0, 2); }

  static F widen(DType dtype, uint16x4_t half) {
    if (dtype == DType::f16) return vcvt_f32_f16(vreinterpret_f16_u16(half));
    return vreinterpretq_f32_u32(vshll_n_u16(half, 16));
  }
  static F load_params(DType dtype, const std::byte* p) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(p);
    return dtype == DType::f32 ? vreinterpretq_f32_u8(vld1q_u8(bytes)) : widen(dtype, vreinterpret_u16_u8(vld1_u8(bytes)));
  }
  static F load_params_partial(DType dtype, const std::byte* p, int n) {
    alignas(16) std::byte copy[kBytes] = {};
    std::memcpy(copy, p, static_cast<std::size_t>(n * size_bytes(dtype)));
    return load_params(dtype, copy);
  }
  static I load_int(const void* p) { return vreinterpretq_s32_u8(vld1q_u8(static_cast<const std::uint8_t*>(p))); }
  static I load_int_partial(const void* p, int n) {
    alignas(16) std::byte copy[kBytes] = {};
    std::memcpy(copy, p, static_cast<std::size_t>(n));
    return load_int(copy);
  }
  static void store_int(void* p, I a) { vst1q_u8(static_cast<std::uint8_t*>(p), vreinterpretq_u8_s32(a)); }
  static F load_rows(const float* p, int n) {
    if (n >= kLanes) return vld1q_f32(p);
    float copy[kLanes] = {};
    for (int i = 0; i < n; ++i) copy[i] = p[i];
    return vld1q_f32(copy);
  }
  static void store_rows(float* p, int n, F a) {
    if (n >= kLanes) return vst1q_f32(p, a);
    float copy[kLanes];
    vst1q_f32(copy, a);
    for (int i = 0; i < n; ++i) p[i] = copy[i];
  }

  // Codes that fill bytes evenly: phase kPhase.
  template <int kBits, int kPhase>
  static I phase(I codes) {
    const uint8x16_t bytes = vreinterpretq_u8_s32(codes);
    if constexpr (kBits == 8) return vreinterpretq_s32_u8(veorq_u8(bytes, vdupq_n_u8(0x80)));
    if constexpr (kPhase == 0) return vreinterpretq_s32_u8(vandq_u8(bytes, vdupq_n_u8(codec::max_code(kBits))));
    constexpr int kShift = kPhase == 0 ? 1 : kPhase * kBits;
    return vreinterpretq_s32_u8(vandq_u8(vshrq_n_u8(bytes, kShift), vdupq_n_u8(codec::max_code(kBits))));
  }
  template <int kBits>
  static void take_apart(I codes, I (&w)[generic::phases(kBits)]) {
    w[0] = phase<kBits, 0>(codes);
    if constexpr (kBits <= 4) w[1] = phase<kBits, 1>(codes);
    if constexpr (kBits == 2) {
      w[2] = phase<kBits, 2>(codes);
      w[3] = phase<kBits, 3>(codes);
    }
  }
  template <int kBits, int kGroup>
  static void unpack(const std::byte* p, I (&w)[generic::phases(kBits)]) {
    if constexpr (8 % kBits == 0) {
      take_apart<kBits>(load_int(p), w);
    } else {
      static constexpr auto kFirst = code_bytes<kBits>(0), kNext = code_bytes<kBits>(1);
      static constexpr auto kRight = code_shifts<kBits>(0), kLeft = code_shifts<kBits>(1);
      const uint8x16_t bytes = vld1q_u8(reinterpret_cast<const std::uint8_t*>(p));
      const uint8x16_t low = vshlq_u8(vqtbl1q_u8(bytes, vld1q_u8(kFirst.data())), vld1q_s8(kRight.data()));
      const uint8x16_t high = vshlq_u8(vqtbl1q_u8(bytes, vld1q_u8(kNext.data())), vld1q_s8(kLeft.data()));
      w[0] = vreinterpretq_s32_u8(vandq_u8(vorrq_u8(low, high), vdupq_n_u8(codec::max_code(kBits))));
    }
  }
  template <int kBits, int kGroup>
  static void unpack_partial(const std::byte* p, std::int64_t n, I (&w)[generic::phases(kBits)]) {
    alignas(16) std::byte copy[kBytes] = {};
    if (n > 0) std::memcpy(copy, p, static_cast<std::size_t>(n));
    unpack<kBits, kGroup>(copy, w);
  }
  template <int kBits>
  static I dot(I acc, const I (&w)[generic::phases(kBits)], const std::int8_t* x) {
    for (int p = 0; p < generic::phases(kBits); ++p) acc = Dot::add(acc, vreinterpretq_s8_s32(w[p]), vld1q_s8(x + p * kBytes));
    return acc;
  }
  static constexpr bool spreads_from_memory(int, bool) { return true; }
  template <int kLanesPerGroup, bool>
  static F spread(F, const float* memory, int first_element) {
    if constexpr (kLanesPerGroup == kLanes) return vld1q_dup_f32(memory + first_element);
    static_assert(kLanesPerGroup == kLanes || kLanesPerGroup == 2);
    return vcombine_f32(vld1_dup_f32(memory + first_element), vld1_dup_f32(memory + first_element + 1));
  }

  static void transpose(I (&m)[kLanes]) {
    const I a = vtrn1q_s32(m[0], m[1]), b = vtrn2q_s32(m[0], m[1]), c = vtrn1q_s32(m[2], m[3]), d = vtrn2q_s32(m[2], m[3]);
    const auto low = [](I x, I y) { return vreinterpretq_s32_s64(vtrn1q_s64(vreinterpretq_s64_s32(x), vreinterpretq_s64_s32(y))); };
    const auto high = [](I x, I y) { return vreinterpretq_s32_s64(vtrn2q_s64(vreinterpretq_s64_s32(x), vreinterpretq_s64_s32(y))); };
    m[0] = low(a, c);
    m[1] = low(b, d);
    m[2] = high(a, c);
    m[3] = high(b, d);
  }

  // Four codes at bit 4 * bits * kQuad of each lane's words, one to a byte.
  template <int kBits, int kQuad>
  static I quad(const std::uint32_t* words) {
    constexpr int kBit = 4 * kBits * kQuad, kWord = kBit / 32, kShift = kBit % 32;
    constexpr std::uint32_t kPair = codec::max_code(2 * kBits);
    constexpr std::uint16_t kCode = codec::max_code(kBits);
    uint32x4_t v = vld1q_u32(words + kWord * kLanes);
    if constexpr (kShift > 0) v = vshrq_n_u32(v, kShift);
    if constexpr (kShift + 4 * kBits > 32) v = vorrq_u32(v, vshlq_n_u32(vld1q_u32(words + (kWord + 1) * kLanes), 32 - kShift));
    v = vorrq_u32(vandq_u32(v, vdupq_n_u32(kPair)), vandq_u32(vshlq_n_u32(v, 16 - 2 * kBits), vdupq_n_u32(kPair << 16)));
    const uint16x8_t pairs = vreinterpretq_u16_u32(v);
    return vreinterpretq_s32_u16(vorrq_u16(vandq_u16(pairs, vdupq_n_u16(kCode)),
                                           vandq_u16(vshlq_n_u16(pairs, 8 - kBits), vdupq_n_u16(static_cast<std::uint16_t>(kCode << 8)))));
  }
  template <int kBits>
  static void expand(const std::uint32_t* words, I (&quads)[8]) {
    if constexpr (8 % kBits == 0) {
      for (int i = 0; i < kBits; ++i) {
        I w[generic::phases(kBits)];
        take_apart<kBits>(load_int(words + i * kLanes), w);
        for (int p = 0; p < generic::phases(kBits); ++p) quads[i * generic::phases(kBits) + p] = w[p];
      }
    } else {
      [&]<int... q>(std::integer_sequence<int, q...>) { ((quads[q] = quad<kBits, q>(words)), ...); }
      (std::make_integer_sequence<int, 8>());
    }
  }

  template <int kBits, int kParts>
  [[gnu::always_inline]] static inline void multiply_words(const std::uint8_t* codes, const std::byte* const (&x)[kParts],
                                                           std::int64_t from, int n, int distance, I (&dots)[kRowTiles][kParts]) {
    for (int word = 0; word < n; ++word, from += distance)
      for (int p = 0; p < generic::phases(kBits); ++p, codes += kRowTiles * kBytes) {
        const auto* bytes = reinterpret_cast<const std::int8_t*>(codes);
        const int8x16_t w0 = vld1q_s8(bytes), w1 = vld1q_s8(bytes + kBytes);
#pragma GCC unroll 8
        for (int i = 0; i < kParts; ++i) {
          const int8x16_t v = vreinterpretq_s8_s32(vld1q_dup_s32(reinterpret_cast<const std::int32_t*>(x[i] + from + p * kBytes)));
          dots[0][i] = Dot::add(dots[0][i], w0, v);
          dots[1][i] = Dot::add(dots[1][i], w1, v);
        }
      }
  }
};

}  // namespace jang::kernels
