// SPDX-License-Identifier: Apache-2.0
// Decimal text against strtod in the C locale, and what from_chars leaves open.
#include "base/decimal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

namespace jang {
namespace {

TEST(Decimal, reads_what_strtod_reads_in_the_c_locale) {
  for (const char* text : {"0", "1", "-1", "0.5", "-0.0", ".5", "5.", "1e3", "1E-3", "1.7976931348623157e308", "4.9e-324", "0.1",
                           "123456789012345678901234567890", "2.2250738585072011e-308", "1e+2", "9007199254740993"})
    EXPECT_EQ(parse_decimal(text), std::strtod(text, nullptr)) << text;
  EXPECT_TRUE(std::signbit(*parse_decimal("-0")));
}

TEST(Decimal, numbers_without_a_double_are_infinity_or_zero) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string zeros(400, '0');
  for (const std::string& text :
       {std::string("1e309"), std::string("1e999999999999999999999"), "1" + zeros, "1" + zeros + ".5e-3", std::string("0.001e400")})
    EXPECT_EQ(parse_decimal(text), infinity) << text;
  for (const std::string& text : {std::string("1e-400"), std::string("1e-999999999999999999999"), "0." + zeros + "1", "0." + zeros + "1e3",
                                  std::string("1000e-400"), std::string("0e999999999999999999999")})
    EXPECT_EQ(parse_decimal(text), 0.0) << text;
  EXPECT_EQ(parse_decimal("-1e400"), -infinity);
  EXPECT_TRUE(std::signbit(*parse_decimal("-1e-400")));
}

TEST(Decimal, other_text_is_no_number) {
  for (const char* text : {"", "-", "+1", "1,5", "1 ", " 1", "0x10", "1e", "1.2.3", "nan(1)", "e5", "--1", "1_000"})
    EXPECT_EQ(parse_decimal(text), std::nullopt) << text;
}

}  // namespace
}  // namespace jang
