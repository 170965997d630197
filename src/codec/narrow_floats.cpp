// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "codec/narrow_floats.h"

#include <cmath>
#include <limits>

#include "base/float16.h"

namespace jang::codec {

float e4m3_to_float(std::uint8_t bits) {
  constexpr int kBias = 7, kMantissa = 3;
  const int exponent = bits >> kMantissa & 15, mantissa = bits & 7;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<float>::quiet_NaN();
  const float value = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), 1 - kBias - kMantissa)
                                    : std::ldexp(static_cast<float>(8 + mantissa), exponent - kBias - kMantissa);
  return (bits & 0x80) != 0 ? -value : value;
}

float e5m2_to_float(std::uint8_t bits) { return fp16_to_float(static_cast<std::uint16_t>(bits << 8)); }

float e2m1_to_float(std::uint8_t bits) {
  constexpr float kValues[] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};
  const float value = kValues[bits & 7];
  return (bits & 8) != 0 ? -value : value;
}

float e8m0_to_float(std::uint8_t bits) {
  return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, static_cast<int>(bits) - 127);
}

}  // namespace jang::codec
