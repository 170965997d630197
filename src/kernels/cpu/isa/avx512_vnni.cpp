// SPDX-License-Identifier: Apache-2.0
// AVX-512 with VNNI, VBMI and VBMI2 for the generic fast linear kernels: vpdpbusd on raw codes; 3, 5 and 6 bit codes are gathered with
// vpermb (the bytes of 8 codes to a qword) and vpmultishiftqb (each code to a byte). Chosen at run time.
#include <immintrin.h>

#include <array>

#include "kernels/cpu/generic/linear.h"
#include "kernels/cpu/isa/isa.h"

namespace jang::kernels {
namespace {

using generic::phases;

// The code that byte i of vector kVector holds when a block is taken apart: in natural order, or woven (linear_input.h).
template <int kGroup, int kVector>
constexpr int code_of_byte(int i) {
  if (kGroup == 0) return i;
  constexpr int kTurns = kGroup == 0 ? 1 : 128 / kGroup;
  return i / 4 % kTurns * kGroup + 4 * (kVector * 16 / kTurns + i / 4 / kTurns) + i % 4;
}
// For vpermb: to every four bytes, the four that hold their codes' bits. kStart: the byte of the block where the source vector begins.
template <int kBits, int kGroup, int kVector, int kStart>
constexpr std::array<std::uint8_t, 64> gather_bytes() {
  std::array<std::uint8_t, 64> a{};
  for (int i = 0; i < 64; ++i) {
    const int byte = code_of_byte<kGroup, kVector>(i / 4 * 4) * kBits / 8 + i % 4 - kStart;
    a[i] = static_cast<std::uint8_t>(byte < 64 ? byte : 0);
  }
  return a;
}
// For vpmultishiftqb: the bit, in its qword of gathered bytes, where each byte's code begins.
template <int kBits, int kGroup, int kVector>
constexpr std::array<std::uint8_t, 64> code_offsets() {
  std::array<std::uint8_t, 64> a{};
  for (int i = 0; i < 64; ++i)
    a[i] = static_cast<std::uint8_t>(i % 8 / 4 * 32 + code_of_byte<kGroup, kVector>(i / 4 * 4) * kBits % 8 + i % 4 * kBits);
  return a;
}
// 3 bits, woven: four codes lie in two bytes, so one vpermb serves both vectors. A qword gets the two bytes of four codes for its lower
// and its upper lane of the first vector, then the same for the second.
template <int kGroup>
constexpr std::array<std::uint8_t, 64> gather_pair_bytes() {
  std::array<std::uint8_t, 64> a{};
  for (int i = 0; i < 64; ++i) {
    const int lane = i / 8 * 8 + i % 4 / 2 * 4;  // byte where it begins
    const int code = i % 8 < 4 ? code_of_byte<kGroup, 0>(lane) : code_of_byte<kGroup, 1>(lane);
    a[i] = static_cast<std::uint8_t>(code * 3 / 8 + i % 2);
  }
  return a;
}
template <int kGroup, int kVector>
constexpr std::array<std::uint8_t, 64> pair_offsets() {
  std::array<std::uint8_t, 64> a{};
  for (int i = 0; i < 64; ++i)
    a[i] = static_cast<std::uint8_t>(kVector * 32 + i % 8 / 4 * 16 + code_of_byte<kGroup, kVector>(i / 4 * 4) * 3 % 8 + i % 4 * 3);
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
  using I = __m512i;
  using F = __m512;

  // Where loads of 64 bytes reach what each of the two vectors takes.
  static constexpr bool woven(int bits, int group_size) { return (bits == 3 && group_size < 128) || (bits == 5 && group_size == 64); }
  static constexpr int vectors(int bits, int group_size) { return woven(bits, group_size) ? 2 : phases(bits); }
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
  static I join(I high, I low) { return _mm512_add_epi32(_mm512_slli_epi32(high, 8), low); }
  static I bits_of(F a) { return _mm512_castps_si512(a); }
  static float sum(F a) { return _mm512_reduce_add_ps(a); }
  static void prefetch(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }
  static void prefetch_far(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1); }

  static __mmask16 first(int n) { return n <= 0 ? 0 : static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u); }
  static F widen(DType dtype, __m256i half) {
    if (dtype == DType::f16) return _mm512_cvtph_ps(half);
    static constexpr auto kHighHalves = high_halves();  // word 2i + 1 gets word i, the even words zero
    return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, constant(kHighHalves), _mm512_castsi256_si512(half)));
  }
  static F load_params(DType dtype, const std::byte* p) {
    if (dtype == DType::f32) return _mm512_loadu_ps(p);
    return widen(dtype, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static F load_params_partial(DType dtype, const std::byte* p, int n) {
    if (dtype == DType::f32) return _mm512_maskz_loadu_ps(first(n), p);
    return widen(dtype, _mm256_maskz_loadu_epi16(first(n), p));
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
      w[0] = gather<kBits, 0, 0, 0>(codes);
    }
  }
  template <int kBits, int kGroup, int kVector, int kStart>
  static I gather(I codes) {
    static constexpr auto kGather = gather_bytes<kBits, kGroup, kVector, kStart>();
    static constexpr auto kOffsets = code_offsets<kBits, kGroup, kVector>();
    const I bytes = _mm512_permutexvar_epi8(constant(kGather), codes);
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(constant(kOffsets), bytes), _mm512_set1_epi8(codec::max_code(kBits)));
  }
  // 2 bits: the odd phases stay where they are, four times their value, which saves two shifts.
  static void take_apart_pairs(I codes, I (&w)[4]) {
    const I even = _mm512_set1_epi8(0x03), odd = _mm512_set1_epi8(0x0c), high = _mm512_srli_epi16(codes, 4);
    w[0] = _mm512_and_si512(codes, even);
    w[1] = _mm512_and_si512(codes, odd);
    w[2] = _mm512_and_si512(high, even);
    w[3] = _mm512_and_si512(high, odd);
  }
  // Zen 4 streams from memory 10 % faster through loads of 32 bytes; it pays where an instruction more is not felt (not at 3 and 6 bits).
  template <int kBits>
  static I load_codes(const std::byte* p) {
    if constexpr (kBits == 3 || kBits == 6) return _mm512_loadu_si512(p);
    __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    asm("" : "+v"(low));  // or GCC joins the two
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32)), 1);
  }
  // load(start): a vector of codes from byte `start` of the block on.
  template <int kBits, int kGroup, class Load>
  static void unpack_from(const Load& load, I (&w)[vectors(kBits, kGroup)]) {
    if constexpr (woven(kBits, kGroup)) {
      if constexpr (kBits == 3) {
        static constexpr auto kGather = gather_pair_bytes<kGroup>();
        static constexpr auto kFirst = pair_offsets<kGroup, 0>(), kSecond = pair_offsets<kGroup, 1>();
        const I bytes = _mm512_permutexvar_epi8(constant(kGather), load(0)), mask = _mm512_set1_epi8(codec::max_code(3));
        w[0] = _mm512_and_si512(_mm512_multishift_epi64_epi8(constant(kFirst), bytes), mask);
        w[1] = _mm512_and_si512(_mm512_multishift_epi64_epi8(constant(kSecond), bytes), mask);
      } else {
        constexpr int kSecond = kGroup / 2 * kBits / 8;
        w[0] = gather<kBits, kGroup, 0, 0>(load(0));
        w[1] = gather<kBits, kGroup, 1, kSecond>(load(kSecond));
      }
    } else if constexpr (kBits == 2) {
      take_apart_pairs(load(0), w);
    } else {
      take_apart<kBits>(load(0), w);
    }
  }
  template <int kBits, int kGroup>
  static void unpack(const std::byte* p, I (&w)[vectors(kBits, kGroup)]) {
    unpack_from<kBits, kGroup>([p](int start) { return load_codes<kBits>(p + start); }, w);
  }
  template <int kBits, int kGroup>
  static void unpack_partial(const std::byte* p, std::int64_t n, I (&w)[vectors(kBits, kGroup)]) {
    const auto load = [p, n](int start) {
      const std::int64_t left = n - start;
      return left > 0 ? load_int_partial(p + start, left < kBytes ? static_cast<int>(left) : kBytes) : zero_int();
    };
    unpack_from<kBits, kGroup>(load, w);
  }
  template <int kBits, int kVectors>
  static I dot(I acc, const I (&w)[kVectors], const std::int8_t* x) {
    const auto add = [&](I sum, int p) { return _mm512_dpbusd_epi32(sum, w[p], _mm512_load_si512(x + p * kBytes)); };
    if constexpr (kBits == 2) {
      const I odd = add(add(zero_int(), 1), 3);  // a multiple of 4
      return _mm512_add_epi32(add(add(acc, 0), 2), _mm512_srai_epi32(odd, 2));
    }
    for (int p = 0; p < kVectors; ++p) acc = add(acc, p);
    return acc;
  }
  // A load that broadcasts is cheaper than a permutation; it cannot repeat single elements.
  static constexpr bool spreads_from_memory(int lanes, bool woven_block) { return woven_block || lanes == kLanes; }
  template <int kLanesPerGroup, bool kWoven>
  static F spread(F v, const float* memory, int first_element) {
    if constexpr (kLanesPerGroup == kLanes) return _mm512_set1_ps(memory[first_element]);
    if constexpr (kWoven && kLanesPerGroup == 8) {
      double two = 0;
      std::memcpy(&two, memory + first_element, 8);
      return _mm512_castpd_ps(_mm512_set1_pd(two));
    }
    if constexpr (kWoven) return _mm512_broadcast_f32x4(_mm_loadu_ps(memory + first_element));
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

  template <int kBits, int kParts>
  [[gnu::always_inline]] static inline void multiply_words(const std::uint8_t* codes, const std::byte* const (&x)[kParts],
                                                           std::int64_t from, int n, int distance, I (&dots)[kRowTiles][kParts]) {
    for (int word = 0; word < n; ++word, from += distance)
      for (int p = 0; p < phases(kBits); ++p, codes += kRowTiles * kBytes) {
        const I w0 = _mm512_load_si512(codes), w1 = _mm512_load_si512(codes + kBytes);
        for (int i = 0; i < kParts; ++i) {
          std::int32_t four = 0;
          std::memcpy(&four, x[i] + from + p * kBytes, 4);
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

const LinearKernel kAvx512VnniInt8{"avx512_vnni",       Precision::fast, available,     Kernel::supports,
                                   Kernel::input_bytes, Kernel::prepare, Kernel::matmul};

}  // namespace jang::kernels
