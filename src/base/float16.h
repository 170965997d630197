// SPDX-License-Identifier: Apache-2.0
// Scalar conversions between float and the 16-bit formats; exact, round to nearest even, tested over all 65536 inputs.
//
//   bf16  1 sign, 8 exponent, 7 mantissa bits: the upper half of a float
//   fp16  1 sign, 5 exponent, 10 mantissa bits (IEEE 754 binary16), bias 15, subnormals kept; overflow gives infinity
#pragma once

#include <bit>
#include <cstdint>

namespace jang {

[[nodiscard]] constexpr float bf16_to_float(std::uint16_t h) { return std::bit_cast<float>(static_cast<std::uint32_t>(h) << 16); }

[[nodiscard]] constexpr std::uint16_t float_to_bf16(float f) {
  const std::uint32_t u = std::bit_cast<std::uint32_t>(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((u >> 16) | 0x0040u);  // NaN stays NaN, made quiet
  const std::uint32_t rounded = u + 0x7fffu + ((u >> 16) & 1u);  // half to even: add just under half, plus one when odd
  return static_cast<std::uint16_t>(rounded >> 16);
}

[[nodiscard]] constexpr float fp16_to_float(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1fu;
  const std::uint32_t mantissa = h & 0x3ffu;
  if (exponent == 0x1fu) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {  // subnormal: mantissa * 2^-24, exact in float
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));  // 112 = 127 - 15
}

[[nodiscard]] constexpr std::uint16_t float_to_fp16(float f) {
  const std::uint32_t u = std::bit_cast<std::uint32_t>(f);
  const std::uint16_t sign = static_cast<std::uint16_t>((u >> 16) & 0x8000u);
  const std::uint32_t a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u | ((a >> 13) & 0x3ffu));  // NaN, quiet
  if (a >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);                        // >= 65520 rounds to infinity
  if (a < 0x38800000u) {  // below 2^-14: the float adder rounds to a multiple of 2^-24 (0.5 has that unit in its last place)
    const float shifted = std::bit_cast<float>(a) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
  const std::uint32_t rounded = a + 0xfffu + ((a >> 13) & 1u);                // half to even on 13 dropped bits
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));  // 0x38000000 = (127 - 15) << 23
}

}  // namespace jang
