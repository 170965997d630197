// SPDX-License-Identifier: Apache-2.0
// AVX-512 with VNNI, VBMI and VBMI2 for the generic fast linear kernels: vpdpbusd on raw codes; 3, 5 and 6 bit codes are gathered with
// vpermb (the bytes of 8 codes to a qword) and vpmultishiftqb (each code to a byte). Chosen at run time.
#include <immintrin.h>

#include <array>

#include "kernels/cpu/generic/linear.h"
#include "kernels/cpu/isa/linear.h"

namespace jang::kernels {
namespace {

using generic::phases;

// Byte k of qword j gets byte bits*j + k: the bits bytes of codes 8j .. 8j+7.
template <int kBits>
constexpr std::array<std::uint8_t, 64> gather_bytes() {
  std::array<std::uint8_t, 64> a{};
  for (int i = 0; i < 64; ++i) a[i] = static_cast<std::uint8_t>(kBits * (i / 8) + i % 8 < 64 ? kBits * (i / 8) + i % 8 : 0);
  return a;
}
// Bit offset of code i%8 within its qword.
template <int kBits>
constexpr std::array<std::uint8_t, 64> code_offsets() {
  std::array<std::uint8_t, 64> a{};
  for (int i = 0; i < 64; ++i) a[i] = static_cast<std::uint8_t>(kBits * (i % 8));
  return a;
}
// Bit offset, within a qword of two rows' words, of byte i's code: four codes from bit `shift` of each word.
template <int kBits, int kShift>
constexpr std::array<std::uint8_t, 64> quad_offsets() {
  std::array<std::uint8_t, 64> a{};
  for (int i = 0; i < 64; ++i) a[i] = static_cast<std::uint8_t>(i % 8 / 4 * 32 + kShift + kBits * (i % 4));
  return a;
}
// Row f: lane L gets f + L/lanes.
template <int kLanes>
constexpr std::array<std::array<std::uint32_t, 16>, 16> lane_index() {
  std::array<std::array<std::uint32_t, 16>, 16> a{};
  for (std::uint32_t f = 0; f < 16; ++f)
    for (std::uint32_t i = 0; i < 16; ++i) a[f][i] = f + i / kLanes;
  return a;
}

constexpr std::array<std::uint16_t, 32> high_halves() {
  std::array<std::uint16_t, 32> a{};
  for (int i = 0; i < 32; ++i) a[i] = static_cast<std::uint16_t>(i / 2);
  return a;
}

template <typename T, std::size_t n>
__m512i constant(const std::array<T, n>& a) {
  return _mm512_loadu_si512(a.data());
}

struct Avx512Vnni {
  static constexpr int kBytes = 64, kLanes = 16;
  static constexpr int kRowTiles = 2, kMaxInputs = 6;
  static constexpr int kDecodeInputs = 4, kPrefillFrom = 8;
  using I = __m512i;
  using F = __m512;

  static constexpr float code_offset(int) { return 0; }
  static F zero() { return _mm512_setzero_ps(); }
  static I zero_int() { return _mm512_setzero_si512(); }
  static F set1(float a) { return _mm512_set1_ps(a); }
  static F load(const float* p) { return _mm512_load_ps(p); }
  static void store(float* p, F a) { _mm512_store_ps(p, a); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F to_float(I a) { return _mm512_cvtepi32_ps(a); }
  static I bits_of(F a) { return _mm512_castps_si512(a); }
  static float sum(F a) { return _mm512_reduce_add_ps(a); }
  static void prefetch(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }

  static __mmask16 first(int n) { return n <= 0 ? 0 : static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u); }
  static F load_params(DType dtype, const std::byte* p, int n) {
    const __mmask16 m = first(n);
    if (dtype == DType::f32) return _mm512_maskz_loadu_ps(m, p);
    const __m256i half = _mm256_maskz_loadu_epi16(m, p);
    if (dtype == DType::f16) return _mm512_cvtph_ps(half);
    static constexpr auto kHighHalves = high_halves();  // word 2i + 1 gets word i, the even words zero
    return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, constant(kHighHalves), _mm512_castsi256_si512(half)));
  }
  static I load_int(const void* p) { return _mm512_loadu_si512(p); }
  static I load_int_partial(const void* p, int n) { return _mm512_maskz_loadu_epi8(~std::uint64_t{0} >> (64 - n), p); }
  static void store_int(void* p, I a) { _mm512_store_si512(p, a); }
  static F load_rows(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static void store_rows(float* p, int n, F a) { _mm512_mask_storeu_ps(p, first(n), a); }

  template <int kBits>
  static void take_apart(I codes, I (&w)[phases(kBits)]) {
    if constexpr (kBits == 8) {
      w[0] = codes;
    } else if constexpr (phases(kBits) > 1) {
      const I mask = _mm512_set1_epi8(codec::max_code(kBits));
      w[0] = _mm512_and_si512(codes, mask);
      for (int p = 1; p < phases(kBits); ++p) w[p] = _mm512_and_si512(_mm512_srli_epi16(codes, static_cast<unsigned>(p * kBits)), mask);
    } else {
      static constexpr auto kGather = gather_bytes<kBits>();
      static constexpr auto kOffsets = code_offsets<kBits>();
      const I bytes = _mm512_permutexvar_epi8(constant(kGather), codes);
      w[0] = _mm512_and_si512(_mm512_multishift_epi64_epi8(constant(kOffsets), bytes), _mm512_set1_epi8(codec::max_code(kBits)));
    }
  }
  template <int kBits>
  static void unpack(const std::byte* p, I (&w)[phases(kBits)]) {
    if constexpr (kBits == 3) return take_apart<kBits>(_mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), w);
    take_apart<kBits>(_mm512_loadu_si512(p), w);
  }
  template <int kBits>
  static void unpack_partial(const std::byte* p, std::int64_t n, I (&w)[phases(kBits)]) {
    take_apart<kBits>(n > 0 ? load_int_partial(p, static_cast<int>(n)) : zero_int(), w);
  }
  template <int kBits>
  static I dot(I acc, const I (&w)[phases(kBits)], const std::int8_t* x) {
    for (int p = 0; p < phases(kBits); ++p) acc = _mm512_dpbusd_epi32(acc, w[p], _mm512_load_si512(x + p * kBytes));
    return acc;
  }
  template <int kLanesPerGroup>
  static constexpr bool spreads_from_memory() {
    return kLanesPerGroup == kLanes;
  }
  template <int kLanesPerGroup>
  static F spread(F v, const float* memory, int first_element) {
    if constexpr (spreads_from_memory<kLanesPerGroup>()) return _mm512_set1_ps(memory[first_element]);
    static constexpr auto kIndex = lane_index<kLanesPerGroup>();
    return _mm512_permutexvar_ps(constant(kIndex[static_cast<std::size_t>(first_element)]), v);
  }

  static void transpose(I (&m)[kLanes]) {
    I t[kLanes];
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_epi32(m[i], m[i + 1]);
      t[i + 1] = _mm512_unpackhi_epi32(m[i], m[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
      m[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
      m[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
      m[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
      m[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    // m[4k + j], 128-bit part c: column 4c + j of rows 4k .. 4k+3.
    for (int j = 0; j < 4; ++j) {
      const I a = _mm512_shuffle_i32x4(m[j], m[4 + j], 0x88), b = _mm512_shuffle_i32x4(m[j], m[4 + j], 0xdd);
      const I c = _mm512_shuffle_i32x4(m[8 + j], m[12 + j], 0x88), d = _mm512_shuffle_i32x4(m[8 + j], m[12 + j], 0xdd);
      t[j] = _mm512_shuffle_i32x4(a, c, 0x88);
      t[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
      t[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
      t[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
    for (int i = 0; i < 16; ++i) m[i] = t[i];
  }

  template <int kBits, int kQuad>
  static I quad(const std::uint32_t* words) {
    constexpr int kBit = 4 * kBits * kQuad, kWord = kBit / 32, kShift = kBit % 32;
    const I low = _mm512_load_si512(words + kWord * kLanes), mask = _mm512_set1_epi8(codec::max_code(kBits));
    if constexpr (kShift + 4 * kBits <= 32) {
      static constexpr auto kOffsets = quad_offsets<kBits, kShift>();
      return _mm512_and_si512(_mm512_multishift_epi64_epi8(constant(kOffsets), low), mask);
    } else {
      static constexpr auto kOffsets = quad_offsets<kBits, 0>();
      const I aligned = _mm512_shrdi_epi32(low, _mm512_load_si512(words + (kWord + 1) * kLanes), kShift);
      return _mm512_and_si512(_mm512_multishift_epi64_epi8(constant(kOffsets), aligned), mask);
    }
  }
  template <int kBits>
  static void expand(const std::uint32_t* words, I (&quads)[8]) {
    if constexpr (kBits == 8 || phases(kBits) > 1) {
      for (int i = 0; i < kBits; ++i) {
        I w[phases(kBits)];
        take_apart<kBits>(_mm512_load_si512(words + i * kLanes), w);
        for (int p = 0; p < phases(kBits); ++p) quads[i * phases(kBits) + p] = w[p];
      }
    } else {
      [&]<int... q>(std::integer_sequence<int, q...>) { ((quads[q] = quad<kBits, q>(words)), ...); }
      (std::make_integer_sequence<int, 8>());
    }
  }

  template <int kBits, int kInputs>
  [[gnu::always_inline]] static inline void multiply_words(const std::uint8_t* codes, const std::byte* x, std::int64_t stride, int n,
                                                           I (&dots)[kRowTiles][kInputs]) {
    for (int word = 0; word < n; ++word, x += 4)
      for (int p = 0; p < phases(kBits); ++p, codes += kRowTiles * kBytes) {
        const I w0 = _mm512_load_si512(codes), w1 = _mm512_load_si512(codes + kBytes);
        for (int i = 0; i < kInputs; ++i) {
          std::int32_t four = 0;
          std::memcpy(&four, x + i * stride + p * kBytes, 4);
          const I v = _mm512_set1_epi32(four);
          dots[0][i] = _mm512_dpbusd_epi32(dots[0][i], w0, v);
          dots[1][i] = _mm512_dpbusd_epi32(dots[1][i], w1, v);
        }
      }
  }
};

bool available() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512vbmi2");
}

using Kernel = generic::Linear<Avx512Vnni>;

}  // namespace

const LinearKernel kAvx512VnniInt8{"avx512_vnni",       "avx512",        Precision::fast, available, Kernel::supports,
                                   Kernel::input_bytes, Kernel::prepare, Kernel::matmul};

}  // namespace jang::kernels
