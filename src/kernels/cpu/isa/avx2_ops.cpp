// SPDX-License-Identifier: Apache-2.0
// AVX2 lanes for the ops of inference. Compiled with -mavx2 -mfma -mf16c; chosen at run time.
#include <immintrin.h>

#include <array>

#include "kernels/cpu/generic/op_table.h"
#include "kernels/cpu/isa/isa.h"

namespace jang::kernels {
namespace {

// Where code i of 8 lies in its `bits` bytes: the bytes that hold it, to the low end of dword i, and how far to shift it down.
template <int kBits>
struct Gather {
  alignas(32) std::array<std::int8_t, 32> bytes{};
  alignas(32) std::array<std::int32_t, 8> shifts{};
  constexpr Gather() {
    for (int i = 0; i < 8; ++i) {
      const int first = i * kBits / 8, last = (i * kBits + kBits - 1) / 8;
      bytes[i * 4] = static_cast<std::int8_t>(first);
      bytes[i * 4 + 1] = static_cast<std::int8_t>(last != first ? last : -1);
      bytes[i * 4 + 2] = bytes[i * 4 + 3] = -1;
      shifts[i] = i * kBits % 8;
    }
  }
};
template <int kBits>
constexpr Gather<kBits> kGather{};

struct Avx2 {
  static constexpr int kLanes = 8, kTileRows = 2, kTileInputs = 3, kDirectInputs = 4, kDirectRows = 4, kMixVectors = 2;
  using F = __m256;
  static F load(const void* p) { return _mm256_loadu_ps(static_cast<const float*>(p)); }
  static void store(float* p, F a) { _mm256_storeu_ps(p, a); }
  static __m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static F load_f16(const void* p) { return _mm256_cvtph_ps(load128(p)); }
  static F load_bf16(const void* p) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(p)), 16)); }
  static F load_s8(const void* p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p)))); }
  static void store_f16(void* p, F a) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static void store_bf16(void* p, F a) {
    const __m256i u = _mm256_castps_si256(a), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    const __m256i bits = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, _mm256_or_si256(u, _mm256_set1_epi32(0x400000)), nan), 16);
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1)));
  }
  static void store_s8(void* p, F a) {
    const __m256i i = _mm256_cvtps_epi32(a);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64(static_cast<__m128i*>(p), _mm_packs_epi16(words, words));
  }
  static F value(DType dtype, const std::byte* base, std::int64_t i) {
    if (dtype == DType::f32) {
      float f = 0;
      std::memcpy(&f, base + i * 4, 4);
      return set1(f);
    }
    std::int16_t h = 0;
    std::memcpy(&h, base + i * 2, 2);
    if (dtype == DType::f16) return _mm256_cvtph_ps(_mm_set1_epi16(h));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_set1_epi32(h), 16));
  }
  template <int kBits>
  static void unpack(const std::byte* p, F* out) {
    const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(kGather<kBits>.bytes.data()));
    const __m256i shifts = _mm256_load_si256(reinterpret_cast<const __m256i*>(kGather<kBits>.shifts.data()));
    for (int part = 0; part < 4; ++part) {
      const std::uint64_t packed = generic::load_packed<kBits>(p + part * kBits);  // 8 codes
      const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi64x(static_cast<long long>(packed)), bytes);
      out[part] = _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srlv_epi32(spread, shifts), _mm256_set1_epi32((1 << kBits) - 1)));
    }
  }
  static F set1(float a) { return _mm256_set1_ps(a); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F fnma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F abs(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static F round_even(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // In two factors, each a normal float.
  static F scale_by_power(F p, F n) {
    const __m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1);
    const auto power = [](__m256i e) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23)); };
    return mul(mul(p, power(half)), power(_mm256_sub_epi32(i, half)));
  }
  static float sum(F a) {
    float out[4];
    sum4(a, a, a, a, out);
    return out[0];
  }
  static float max_of(F a) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }
  // Lanes of each 128 bits as (0+2)+(1+3), then the halves.
  static void sum4(F a, F b, F c, F d, float* out) {
    const F ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const F cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const F all = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(1, 0, 1, 0)), _mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 2, 3, 2)));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
  }
  static void load4(const float* p, F (&out)[4]) {
    const auto pair = [&](int i) {
      return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + i * 4)), _mm_loadu_ps(p + i * 4 + 16), 1);
    };
    const F a = pair(0), b = pair(1), c = pair(2), d = pair(3);
    const F ab01 = _mm256_unpacklo_ps(a, b), ab23 = _mm256_unpackhi_ps(a, b), cd01 = _mm256_unpacklo_ps(c, d),
            cd23 = _mm256_unpackhi_ps(c, d);
    out[0] = _mm256_shuffle_ps(ab01, cd01, _MM_SHUFFLE(1, 0, 1, 0));
    out[1] = _mm256_shuffle_ps(ab01, cd01, _MM_SHUFFLE(3, 2, 3, 2));
    out[2] = _mm256_shuffle_ps(ab23, cd23, _MM_SHUFFLE(1, 0, 1, 0));
    out[3] = _mm256_shuffle_ps(ab23, cd23, _MM_SHUFFLE(3, 2, 3, 2));
  }
  static void keep(F& a) { asm("" : "+x"(a)); }
  static void prefetch(std::uintptr_t at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }
};

}  // namespace

constinit const LinearKernel kAvx2Linear{"avx2",          Precision::exact,  avx2_available,       exact_supports,
                                         float_row_bytes, prepare_float_row, generic::matmul<Avx2>};
constinit const Ops kAvx2Ops = generic::ops<Avx2>();

}  // namespace jang::kernels
