// SPDX-License-Identifier: Apache-2.0
// Every pattern of the narrow floats against the definition of its format, computed with powers of two, and the published limits.
#include "codec/narrow_floats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace jang::codec {
namespace {

// sign * 2^(exponent - bias) * 1.mantissa, or 2^(1 - bias) * 0.mantissa.
double by_definition(int bits, int n_exponent, int n_mantissa, int bias) {
  const int exponent = bits >> n_mantissa & ((1 << n_exponent) - 1), mantissa = bits & ((1 << n_mantissa) - 1);
  const double fraction = static_cast<double>(mantissa) / (1 << n_mantissa);
  const double value = exponent == 0 ? std::pow(2.0, 1 - bias) * fraction : std::pow(2.0, exponent - bias) * (1 + fraction);
  return (bits >> (n_exponent + n_mantissa) & 1) != 0 ? -value : value;
}

TEST(NarrowFloats, e4m3_is_its_definition) {
  for (int bits = 0; bits < 256; ++bits) {
    const float value = e4m3_to_float(static_cast<std::uint8_t>(bits));
    if ((bits & 0x7f) == 0x7f)
      EXPECT_TRUE(std::isnan(value)) << bits;
    else
      EXPECT_EQ(static_cast<double>(value), by_definition(bits, 4, 3, 7)) << bits;
  }
  EXPECT_EQ(e4m3_to_float(0x7e), 448.0f);         // largest
  EXPECT_EQ(e4m3_to_float(0x01), 1.0f / 512.0f);  // smallest
}

TEST(NarrowFloats, e5m2_is_its_definition) {
  for (int bits = 0; bits < 256; ++bits) {
    const float value = e5m2_to_float(static_cast<std::uint8_t>(bits));
    if ((bits & 0x7c) != 0x7c)
      EXPECT_EQ(static_cast<double>(value), by_definition(bits, 5, 2, 15)) << bits;
    else
      EXPECT_FALSE(std::isfinite(value)) << bits;
  }
  EXPECT_EQ(e5m2_to_float(0x7b), 57344.0f);
}

TEST(NarrowFloats, e2m1_has_sixteen_values) {
  std::multiset<float> values;
  for (int bits = 0; bits < 16; ++bits) {
    const float value = e2m1_to_float(static_cast<std::uint8_t>(bits));
    EXPECT_EQ(static_cast<double>(value), by_definition(bits, 2, 1, 1)) << bits;
    EXPECT_EQ(e2m1_to_float(static_cast<std::uint8_t>(bits | 0xf0)), value);
    values.insert(value);
  }
  EXPECT_EQ(*values.rbegin(), 6.0f);
}

TEST(NarrowFloats, e8m0_is_a_power_of_two) {
  for (int bits = 0; bits < 255; ++bits)
    EXPECT_EQ(static_cast<double>(e8m0_to_float(static_cast<std::uint8_t>(bits))), std::pow(2.0, bits - 127));
  EXPECT_TRUE(std::isnan(e8m0_to_float(255)));
}

}  // namespace
}  // namespace jang::codec
