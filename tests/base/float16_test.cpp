// SPDX-License-Identifier: Apache-2.0
// 16-bit floats against two independent definitions: the format's own formula in double arithmetic, for all 65536 inputs and around every
// rounding boundary, and the processor's F16C instructions where it has them.
#include "base/float16.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace jang {
namespace {

// A binary floating-point format of 16 bits: m mantissa bits, exponent bias b, 15 - m exponent bits.
struct Format {
  int mantissa_bits, bias;
};
constexpr Format kFp16{10, 15}, kBf16{7, 127};

// (-1)^s * 2^(e-b) * (1 + mantissa / 2^m), or without the 1 and with e = 1 when e = 0. All of it exact in double.
double decode(std::uint16_t h, Format f) {
  const int m = f.mantissa_bits, e_max = (1 << (15 - m)) - 1;
  const int e = (h >> m) & e_max, mantissa = h & ((1 << m) - 1);
  const double sign = (h & 0x8000) ? -1.0 : 1.0;
  if (e == e_max) return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  const double significand = std::ldexp(mantissa, -m) + (e != 0 ? 1.0 : 0.0);
  return sign * std::ldexp(significand, (e != 0 ? e : 1) - f.bias);
}

// Nearest value of the format, ties to even, by rounding to a multiple of the unit in the last place. `x` finite.
std::uint16_t encode(double x, Format f) {
  const int m = f.mantissa_bits, e_max = (1 << (15 - m)) - 1;
  const std::uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  int exponent = 0;
  std::frexp(x, &exponent);  // |x| in [2^(exponent-1), 2^exponent)
  const int e = x == 0.0 ? 1 - f.bias : std::max(exponent - 1, 1 - f.bias);
  const double units = std::nearbyint(std::ldexp(std::fabs(x), m - e));  // in [0, 2^(m+1)], half to even
  // The encodings of a format are consecutive integers: exponent field * 2^m + mantissa = (e + bias - 1) * 2^m + units.
  const double code = std::ldexp(e + f.bias - 1, m) + units;
  const double infinity = std::ldexp(e_max, m);
  return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::min(code, infinity)));
}

bool is_nan(std::uint16_t h, Format f) { return std::isnan(decode(h, f)); }

TEST(Float16, every_fp16_decodes_by_the_formula_and_returns) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto h = static_cast<std::uint16_t>(i);
    const float x = fp16_to_float(h);
    if (is_nan(h, kFp16)) {
      ASSERT_TRUE(std::isnan(x)) << i;
      ASSERT_EQ(float_to_fp16(x), h | 0x0200) << i;  // quiet, payload kept
      continue;
    }
    ASSERT_EQ(static_cast<double>(x), decode(h, kFp16)) << i;
    ASSERT_EQ(std::signbit(x), (h & 0x8000) != 0) << i;
    ASSERT_EQ(float_to_fp16(x), h) << i;
  }
}

TEST(Float16, every_bf16_decodes_by_the_formula_and_returns) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto h = static_cast<std::uint16_t>(i);
    const float x = bf16_to_float(h);
    if (is_nan(h, kBf16)) {
      ASSERT_TRUE(std::isnan(x)) << i;
      ASSERT_EQ(float_to_bf16(x), h | 0x0040) << i;
      continue;
    }
    ASSERT_EQ(static_cast<double>(x), decode(h, kBf16)) << i;
    ASSERT_EQ(std::signbit(x), (h & 0x8000) != 0) << i;
    ASSERT_EQ(float_to_bf16(x), h) << i;
  }
}

// Every tie between neighbours, and the floats on both sides of it.
template <typename Convert>
void check_boundaries(Format f, Convert convert) {
  for (std::uint32_t i = 0; i < 65535; ++i) {
    const auto a = static_cast<std::uint16_t>(i), b = static_cast<std::uint16_t>(i + 1);
    const double lo = decode(a, f), hi = decode(b, f);
    if (!std::isfinite(lo) || !std::isfinite(hi) || (a ^ b) & 0x8000) continue;
    const float tie = static_cast<float>((lo + hi) / 2);
    ASSERT_EQ(static_cast<double>(tie), (lo + hi) / 2) << "a tie of a 16-bit format is a float";
    for (const float x : {tie, std::nextafterf(tie, -INFINITY), std::nextafterf(tie, INFINITY)})
      ASSERT_EQ(convert(x), encode(x, f)) << std::hexfloat << x;
    ASSERT_EQ(convert(tie), (a & 1) == 0 ? a : b);
  }
}

TEST(Float16, fp16_rounds_half_to_even_at_every_boundary) { check_boundaries(kFp16, float_to_fp16); }
TEST(Float16, bf16_rounds_half_to_even_at_every_boundary) { check_boundaries(kBf16, float_to_bf16); }

TEST(Float16, overflow_gives_infinity) {
  EXPECT_EQ(float_to_fp16(65504.0f), 0x7bff);
  EXPECT_EQ(float_to_fp16(65519.99f), 0x7bff);
  EXPECT_EQ(float_to_fp16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_fp16(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_fp16(INFINITY), 0x7c00);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(float_to_bf16(-INFINITY), 0xff80);
}

// A spread over all float bit patterns: an odd stride visits every exponent with varied mantissas.
TEST(Float16, agrees_with_double_arithmetic_on_a_spread_of_floats) {
  constexpr std::uint32_t kStride = 4001;
  std::uint32_t bits = 0, n = 0;
  do {
    const float x = std::bit_cast<float>(bits);
    if (std::isfinite(x)) {
      ASSERT_EQ(float_to_fp16(x), encode(x, kFp16)) << std::hexfloat << x;
      ASSERT_EQ(float_to_bf16(x), encode(x, kBf16)) << std::hexfloat << x;
      ++n;
    }
    bits += kStride;
  } while (bits >= kStride);
  EXPECT_GT(n, 1'000'000u);
}

#if defined(__x86_64__)
__attribute__((target("f16c"))) std::uint16_t f16c_encode(float x) {
  return static_cast<std::uint16_t>(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT));
}
__attribute__((target("f16c"))) float f16c_decode(std::uint16_t h) { return _cvtsh_ss(h); }

TEST(Float16, agrees_with_the_f16c_instructions) {
  if (!__builtin_cpu_supports("f16c")) GTEST_SKIP() << "this processor has no F16C";
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto h = static_cast<std::uint16_t>(i);
    if (is_nan(h, kFp16)) {
      ASSERT_TRUE(std::isnan(f16c_decode(h)));
      continue;
    }
    ASSERT_EQ(std::bit_cast<std::uint32_t>(fp16_to_float(h)), std::bit_cast<std::uint32_t>(f16c_decode(h))) << i;
  }
  constexpr std::uint32_t kStride = 1009;
  std::uint32_t bits = 0;
  do {
    const float x = std::bit_cast<float>(bits);
    ASSERT_EQ(float_to_fp16(x), f16c_encode(x)) << std::hex << bits;
    bits += kStride;
  } while (bits >= kStride);
}
#endif

}  // namespace
}  // namespace jang
