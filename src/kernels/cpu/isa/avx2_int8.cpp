// SPDX-License-Identifier: Apache-2.0
// AVX2 for the generic fast linear kernels: vpmaddubsw of raw codes with signed x, then vpmaddwd. A pair of products must fit 16 bits: two
// pairs may be added first for codes up to 6 bits (4 * 63 * 127 = 32004), and 8-bit codes are taken as signed, less 128: the product of
// their absolute values with x of their sign (2 * 128 * 127 = 32512).
// 3, 5 and 6 bit codes: vpshufb brings every pair of codes into a 16-bit lane (2 * bits + 6 <= 18 - 2, pairs begin at even bits), a
// multiplication aligns it to the top. Chosen at run time.
#include <immintrin.h>

#include <array>

#include "kernels/cpu/generic/linear.h"
#include "kernels/cpu/isa/isa.h"

namespace jang::kernels {
namespace {

using generic::phases;

// Of 16 codes in a 128-bit half: 16-bit lane k gets the two bytes from the one where pair k (codes 2k, 2k+1) begins.
template <int kBits>
constexpr std::array<std::uint8_t, 32> pair_bytes() {
  std::array<std::uint8_t, 32> a{};
  for (int i = 0; i < 32; ++i) a[i] = static_cast<std::uint8_t>(2 * kBits * (i % 16 / 2) / 8 + i % 2);
  return a;
}
// 2^n that moves pair k to the top of its 16-bit lane.
template <int kBits>
constexpr std::array<std::uint16_t, 16> pair_factors() {
  std::array<std::uint16_t, 16> a{};
  for (int k = 0; k < 16; ++k) a[k] = static_cast<std::uint16_t>(1u << (16 - 2 * kBits - 2 * kBits * (k % 8) % 8));
  return a;
}

template <typename T, std::size_t n>
__m256i constant(const std::array<T, n>& a) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a.data()));
}

struct Avx2Int8 {
  static constexpr int kBytes = 32, kLanes = 8;
  static constexpr int kRowTiles = 1, kMaxInputs = 4;
  using I = __m256i;
  using F = __m256;

  static constexpr bool woven(int, int) { return false; }
  static constexpr float code_offset(int bits) { return bits == 8 ? 128 : 0; }
  static F zero() { return _mm256_setzero_ps(); }
  static I zero_int() { return _mm256_setzero_si256(); }
  static F set1(float a) { return _mm256_set1_ps(a); }
  static F load(const float* p) { return _mm256_load_ps(p); }
  static void store(float* p, F a) { _mm256_store_ps(p, a); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F to_float(I a) { return _mm256_cvtepi32_ps(a); }
  static I join(I high, I low) { return _mm256_add_epi32(_mm256_slli_epi32(high, 8), low); }
  static I bits_of(F a) { return _mm256_castps_si256(a); }
  static float sum(F a) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static void prefetch(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }
  static void prefetch_far(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1); }

  static __m256 widen(DType dtype, __m128i half) {
    if (dtype == DType::f16) return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  }
  static F load_params(DType dtype, const std::byte* p) {
    if (dtype == DType::f32) return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
    return widen(dtype, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static F load_params_partial(DType dtype, const std::byte* p, int n) {
    alignas(32) std::byte copy[kBytes] = {};
    std::memcpy(copy, p, static_cast<std::size_t>(n * size_bytes(dtype)));
    return load_params(dtype, copy);
  }
  static I load_int(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static I load_int_partial(const void* p, int n) {
    alignas(32) std::byte copy[kBytes] = {};
    std::memcpy(copy, p, static_cast<std::size_t>(n));
    return load_int(copy);
  }
  static void store_int(void* p, I a) { _mm256_store_si256(static_cast<__m256i*>(p), a); }
  static F load_rows(const float* p, int n) {
    if (n >= kLanes) return _mm256_loadu_ps(p);
    alignas(32) float copy[kLanes] = {};
    for (int i = 0; i < n; ++i) copy[i] = p[i];
    return load(copy);
  }
  static void store_rows(float* p, int n, F a) {
    if (n >= kLanes) return _mm256_storeu_ps(p, a);
    alignas(32) float copy[kLanes];
    store(copy, a);
    for (int i = 0; i < n; ++i) p[i] = copy[i];
  }

  // Codes that fill bytes evenly: phase by phase.
  template <int kBits>
  static void take_apart(I codes, I (&w)[phases(kBits)]) {
    if constexpr (kBits == 8) {
      w[0] = _mm256_xor_si256(codes, _mm256_set1_epi8(static_cast<char>(0x80)));
    } else {
      const I mask = _mm256_set1_epi8(codec::max_code(kBits));
      w[0] = _mm256_and_si256(codes, mask);
      for (int p = 1; p < phases(kBits); ++p) w[p] = _mm256_and_si256(_mm256_srli_epi16(codes, p * kBits), mask);
    }
  }
  // The others: 16 codes from the first byte of each half on.
  template <int kBits>
  static I gather(__m128i low, __m128i high) {
    static constexpr auto kPairs = pair_bytes<kBits>();
    static constexpr auto kFactors = pair_factors<kBits>();
    const I bytes = _mm256_shuffle_epi8(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1), constant(kPairs));
    const I top = _mm256_mullo_epi16(bytes, constant(kFactors));
    const I second = _mm256_and_si256(_mm256_srli_epi16(top, 8 - kBits), _mm256_set1_epi16(codec::max_code(kBits) << 8));
    const I first = _mm256_and_si256(_mm256_srli_epi16(top, 16 - 2 * kBits), _mm256_set1_epi16(codec::max_code(kBits)));
    return _mm256_or_si256(first, second);
  }
  template <int kBits, int kGroup>
  static void unpack(const std::byte* p, I (&w)[phases(kBits)]) {
    if constexpr (8 % kBits == 0) {
      take_apart<kBits>(load_int(p), w);
    } else {
      const auto half = [](const std::byte* q) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(q)); };
      w[0] = gather<kBits>(half(p), half(p + 2 * kBits));
    }
  }
  template <int kBits, int kGroup>
  static void unpack_partial(const std::byte* p, std::int64_t n, I (&w)[phases(kBits)]) {
    alignas(32) std::byte copy[2 * kBytes] = {};
    if (n > 0) std::memcpy(copy, p, static_cast<std::size_t>(n));
    unpack<kBits, kGroup>(copy, w);
  }

  static I pairs(I w, I x) { return _mm256_maddubs_epi16(w, x); }
  static I add_pairs(I acc, I sums) { return _mm256_add_epi32(acc, _mm256_madd_epi16(sums, _mm256_set1_epi16(1))); }
  // w signed, -128 .. 127, with its absolute value: |w| times x with the sign of w.
  static I dot_signed(I acc, I w, I magnitude, I x) { return add_pairs(acc, pairs(magnitude, _mm256_sign_epi8(x, w))); }
  template <int kBits>
  static I dot(I acc, const I (&w)[phases(kBits)], const std::int8_t* x) {
    const auto at = [x](int p) { return _mm256_load_si256(reinterpret_cast<const I*>(x + p * kBytes)); };
    if constexpr (kBits == 8) {
      return dot_signed(acc, w[0], _mm256_abs_epi8(w[0]), at(0));
    } else {
      I sums = pairs(w[0], at(0));  // phases(kBits) pairs of products of at most 2^bits - 1 times 127 fit 16 bits
      for (int p = 1; p < phases(kBits); ++p) sums = _mm256_add_epi16(sums, pairs(w[p], at(p)));
      return add_pairs(acc, sums);
    }
  }
  static constexpr bool spreads_from_memory(int, bool) { return true; }
  template <int kLanesPerGroup, bool>
  static F spread(F, const float* memory, int first_element) {
    const float* from = memory + first_element;
    if constexpr (kLanesPerGroup == 8) return _mm256_broadcast_ss(from);
    if constexpr (kLanesPerGroup == 4)
      return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_broadcast_ss(from)), _mm_broadcast_ss(from + 1), 1);
    const __m128 v = _mm_loadu_ps(from);  // two lanes a group
    static_assert(kLanesPerGroup >= 2);
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_unpacklo_ps(v, v)), _mm_unpackhi_ps(v, v), 1);
  }

  static void transpose(I (&m)[kLanes]) {
    I t[kLanes];
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_epi32(m[i], m[i + 1]);
      t[i + 1] = _mm256_unpackhi_epi32(m[i], m[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      m[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
      m[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
      m[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
      m[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int j = 0; j < 4; ++j) {
      t[j] = _mm256_permute2x128_si256(m[j], m[4 + j], 0x20);
      t[4 + j] = _mm256_permute2x128_si256(m[j], m[4 + j], 0x31);
    }
    for (int i = 0; i < 8; ++i) m[i] = t[i];
  }

  // Four codes at bit 4 * bits * kQuad of each lane's words, one to a byte.
  template <int kBits, int kQuad>
  static I quad(const std::uint32_t* words) {
    constexpr int kBit = 4 * kBits * kQuad, kWord = kBit / 32, kShift = kBit % 32;
    I v = _mm256_srli_epi32(load_int(words + kWord * kLanes), kShift);
    if constexpr (kShift + 4 * kBits > 32) v = _mm256_or_si256(v, _mm256_slli_epi32(load_int(words + (kWord + 1) * kLanes), 32 - kShift));
    constexpr int kPair = codec::max_code(2 * kBits), kCode = codec::max_code(kBits);
    v = _mm256_or_si256(_mm256_and_si256(v, _mm256_set1_epi32(kPair)),
                        _mm256_and_si256(_mm256_slli_epi32(v, 16 - 2 * kBits), _mm256_set1_epi32(kPair << 16)));
    return _mm256_or_si256(_mm256_and_si256(v, _mm256_set1_epi16(kCode)),
                           _mm256_and_si256(_mm256_slli_epi16(v, 8 - kBits), _mm256_set1_epi16(kCode << 8)));
  }
  template <int kBits>
  static void expand(const std::uint32_t* words, I (&quads)[8]) {
    if constexpr (8 % kBits == 0) {
      for (int i = 0; i < kBits; ++i) {
        I w[phases(kBits)];
        take_apart<kBits>(load_int(words + i * kLanes), w);
        for (int p = 0; p < phases(kBits); ++p) quads[i * phases(kBits) + p] = w[p];
      }
    } else {
      [&]<int... q>(std::integer_sequence<int, q...>) { ((quads[q] = quad<kBits, q>(words)), ...); }
      (std::make_integer_sequence<int, 8>());
    }
  }

  static I four(const std::byte* x) {
    std::int32_t v = 0;
    std::memcpy(&v, x, 4);
    return _mm256_set1_epi32(v);
  }
  template <int kBits, int kParts>
  [[gnu::always_inline]] static inline void multiply_words(const std::uint8_t* codes, const std::byte* const (&x)[kParts],
                                                           std::int64_t from, int n, int distance, I (&dots)[kRowTiles][kParts]) {
    constexpr int kPhases = phases(kBits);
    if constexpr (kBits == 8) {
      for (int word = 0; word < n; ++word, from += distance, codes += kBytes) {
        const I w = load_int(codes), magnitude = _mm256_abs_epi8(w);
#pragma GCC unroll 8
        for (int i = 0; i < kParts; ++i) dots[0][i] = dot_signed(dots[0][i], w, magnitude, four(x[i] + from));
      }
    } else if constexpr (kPhases == 1) {
      for (int word = 0; word < n; word += 2, from += 2 * distance, codes += 2 * kBytes) {  // n is a multiple of 8
        const I w0 = load_int(codes), w1 = load_int(codes + kBytes);
#pragma GCC unroll 8
        for (int i = 0; i < kParts; ++i)
          dots[0][i] = add_pairs(dots[0][i], _mm256_add_epi16(pairs(w0, four(x[i] + from)), pairs(w1, four(x[i] + from + distance))));
      }
    } else {
      for (int word = 0; word < n; ++word, from += distance, codes += kPhases * kBytes) {
        I w[kPhases];
        for (int p = 0; p < kPhases; ++p) w[p] = load_int(codes + p * kBytes);
#pragma GCC unroll 8
        for (int i = 0; i < kParts; ++i) {
          I sums = pairs(w[0], four(x[i] + from));
          for (int p = 1; p < kPhases; ++p) sums = _mm256_add_epi16(sums, pairs(w[p], four(x[i] + from + p * kBytes)));
          dots[0][i] = add_pairs(dots[0][i], sums);
        }
      }
    }
  }
};

bool available() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"); }

using Kernel = generic::Linear<Avx2Int8>;

}  // namespace

const LinearKernel kAvx2Int8{"avx2_int8",         Precision::fast, available,     Kernel::supports,
                             Kernel::input_bytes, Kernel::prepare, Kernel::matmul};

}  // namespace jang::kernels
