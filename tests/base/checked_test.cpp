// SPDX-License-Identifier: Apache-2.0
// Checked integer arithmetic: exact results inside the type, nullopt outside, at every edge of every width that readers use.
#include "base/checked.h"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace jang {
namespace {

template <typename T>
class Checked : public testing::Test {};
using Integers = testing::Types<std::int8_t, std::uint8_t, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t>;
TYPED_TEST_SUITE(Checked, Integers);

TYPED_TEST(Checked, add_stops_at_the_edges) {
  using L = std::numeric_limits<TypeParam>;
  const TypeParam one = 1;
  EXPECT_EQ(checked_add<TypeParam>(L::max(), 0), L::max());
  EXPECT_EQ(checked_add<TypeParam>(static_cast<TypeParam>(L::max() - 1), one), L::max());
  EXPECT_FALSE(checked_add<TypeParam>(L::max(), one).has_value());
  EXPECT_FALSE(checked_add<TypeParam>(L::max(), L::max()).has_value());
  if (L::is_signed) {
    EXPECT_FALSE(checked_add<TypeParam>(L::min(), static_cast<TypeParam>(-1)).has_value());
  }
}

TYPED_TEST(Checked, mul_stops_at_the_edges) {
  using L = std::numeric_limits<TypeParam>;
  const TypeParam two = 2;
  const TypeParam half = static_cast<TypeParam>(L::max() / 2);
  EXPECT_EQ(checked_mul<TypeParam>(half, two), static_cast<TypeParam>(L::max() - 1));
  EXPECT_FALSE(checked_mul<TypeParam>(static_cast<TypeParam>(half + 1), two).has_value());
  EXPECT_EQ(checked_mul<TypeParam>(L::max(), 0), TypeParam{0});
  EXPECT_FALSE(checked_mul<TypeParam>(L::max(), L::max()).has_value());
  if (L::is_signed) {
    EXPECT_FALSE(checked_mul<TypeParam>(L::min(), static_cast<TypeParam>(-1)).has_value());
  }
}

TEST(CheckedSmall, agrees_with_exact_arithmetic_on_all_bytes) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const auto x = static_cast<std::uint8_t>(a), y = static_cast<std::uint8_t>(b);
      ASSERT_EQ(checked_add(x, y).has_value(), a + b < 256) << a << " + " << b;
      ASSERT_EQ(checked_mul(x, y).has_value(), a * b < 256) << a << " * " << b;
      if (a + b < 256) {
        ASSERT_EQ(*checked_add(x, y), a + b);
      }
      if (a * b < 256) {
        ASSERT_EQ(*checked_mul(x, y), a * b);
      }
    }
  }
}

TEST(CheckedSmall, ceil_div_and_round_up) {
  for (int to = 1; to <= 9; ++to) {
    for (int a = 0; a <= 100; ++a) {
      const int r = round_up(a, to);
      EXPECT_EQ(r % to, 0);
      EXPECT_GE(r, a);
      EXPECT_LT(r - a, to);
      EXPECT_EQ(ceil_div(a, to) * to, r);
    }
  }
}

}  // namespace
}  // namespace jang
