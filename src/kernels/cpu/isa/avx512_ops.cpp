// SPDX-License-Identifier: Apache-2.0
// AVX-512 lanes for the ops of inference. Compiled with -mavx512{f,bw,dq,vl}; chosen at run time.
#include <immintrin.h>

#include <array>

#include "kernels/cpu/generic/op_table.h"
#include "kernels/cpu/isa/isa.h"

namespace jang::kernels {
namespace {

// Where code i of 16 lies when the codes start at byte kStart: the bytes that hold it, to the low end of dword i, and how far to shift it
// down.
template <int kBits, int kStart>
struct Gather {
  alignas(64) std::array<std::int8_t, 64> bytes{};
  alignas(64) std::array<std::int32_t, 16> shifts{};
  constexpr Gather() {
    for (int i = 0; i < 16; ++i) {
      const int first = i * kBits / 8, last = (i * kBits + kBits - 1) / 8;
      bytes[i * 4] = static_cast<std::int8_t>(kStart + first);
      bytes[i * 4 + 1] = static_cast<std::int8_t>(last != first ? kStart + last : -1);
      bytes[i * 4 + 2] = bytes[i * 4 + 3] = -1;
      shifts[i] = i * kBits % 8;
    }
  }
};
template <int kBits, int kStart>
constexpr Gather<kBits, kStart> kGather{};

struct Avx512 {
  static constexpr int kLanes = 16, kTileRows = 3, kTileInputs = 4, kDirectInputs = 8, kDirectRows = 4, kMixVectors = 4;
  using F = __m512;
  static F load(const void* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F a) { _mm512_storeu_ps(p, a); }
  static F load_f16(const void* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
  static F load_bf16(const void* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p))), 16));
  }
  static F load_s8(const void* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)))); }
  static void store_f16(void* p, F a) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static void store_bf16(void* p, F a) {
    const __m512i u = _mm512_castps_si512(a), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    const __m512i bits = _mm512_mask_or_epi32(rounded, nan, u, _mm512_set1_epi32(0x400000));
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
  }
  static void store_s8(void* p, F a) { _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a))); }
  static F value(DType dtype, const std::byte* base, std::int64_t i) {
    if (dtype == DType::f32) {
      float f = 0;
      std::memcpy(&f, base + i * 4, 4);
      return set1(f);
    }
    std::int16_t h = 0;
    std::memcpy(&h, base + i * 2, 2);
    if (dtype == DType::f16) return _mm512_cvtph_ps(_mm256_set1_epi16(h));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_set1_epi32(h), 16));
  }
  template <int kBytes>
  static __m512i repeat(const std::byte* p) {
    if constexpr (kBytes == 16) {
      return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    } else if constexpr (kBytes == 8) {
      long long v = 0;
      std::memcpy(&v, p, 8);
      return _mm512_set1_epi64(v);
    } else {
      int v = 0;
      std::memcpy(&v, p, 4);
      return _mm512_set1_epi32(v);
    }
  }
  template <int kBits, class Where>
  static F expand(__m512i around, const Where& where) {
    const __m512i spread = _mm512_shuffle_epi8(around, _mm512_load_si512(where.bytes.data()));
    const __m512i shifted = _mm512_srlv_epi32(spread, _mm512_load_si512(where.shifts.data()));
    return _mm512_cvtepi32_ps(_mm512_and_si512(shifted, _mm512_set1_epi32((1 << kBits) - 1)));
  }
  template <int kBits>
  static void unpack(const std::byte* p, F* out) {
    // A power of two of bytes around each half of the step, repeated; reads stay inside the step's 4*bits bytes.
    constexpr int kAround = kBits == 2 ? 4 : kBits == 3 ? 8 : 16, kSecond = 4 * kBits - kAround;
    out[0] = expand<kBits>(repeat<kAround>(p), kGather<kBits, 0>);
    out[1] = expand<kBits>(repeat<kAround>(p + kSecond), kGather<kBits, 2 * kBits - kSecond>);
  }
  static F set1(float a) { return _mm512_set1_ps(a); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F round_even(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F scale_by_power(F p, F n) { return _mm512_scalef_ps(p, n); }
  static float sum(F a) { return _mm512_reduce_add_ps(a); }
  static float max_of(F a) { return _mm512_reduce_max_ps(a); }
  // Lanes of each 128 bits as (0+2)+(1+3), then the four quarters in the same way.
  static void sum4(F a, F b, F c, F d, float* out) {
    const F ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const F cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const F all = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, _MM_SHUFFLE(1, 0, 1, 0)), _mm512_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 2, 3, 2)));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
  }
  static void load4(const float* p, F (&out)[4]) {
    const __m512i low = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(2));
    const F a = load(p), b = load(p + 16), c = load(p + 32), d = load(p + 48);
    const F ab01 = _mm512_permutex2var_ps(a, low, b), ab23 = _mm512_permutex2var_ps(a, high, b);
    const F cd01 = _mm512_permutex2var_ps(c, low, d), cd23 = _mm512_permutex2var_ps(c, high, d);
    out[0] = _mm512_shuffle_f32x4(ab01, cd01, _MM_SHUFFLE(1, 0, 1, 0));
    out[1] = _mm512_shuffle_f32x4(ab01, cd01, _MM_SHUFFLE(3, 2, 3, 2));
    out[2] = _mm512_shuffle_f32x4(ab23, cd23, _MM_SHUFFLE(1, 0, 1, 0));
    out[3] = _mm512_shuffle_f32x4(ab23, cd23, _MM_SHUFFLE(3, 2, 3, 2));
  }
  static void keep(F& a) { asm("" : "+v"(a)); }
  static void prefetch(std::uintptr_t at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }
};

}  // namespace

constinit const LinearKernel kAvx512Linear{"avx512",        Precision::exact,  avx512_available,       exact_supports,
                                           float_row_bytes, prepare_float_row, generic::matmul<Avx512>};
constinit const Ops kAvx512Ops = generic::ops<Avx512>();

}  // namespace jang::kernels
