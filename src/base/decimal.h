// SPDX-License-Identifier: Apache-2.0
// Decimal text to numbers, the same under every locale: strtod and std::stod take the decimal point of the host program's locale, so that
// "0.5" is 0 in half of Europe once a host has called setlocale.
#pragma once

#include <optional>
#include <string_view>

namespace jang {

// All of `text` as a double, correctly rounded: an optional minus, digits with at most one point, an optional exponent; "inf" and "nan"
// too. What is too large is infinity and what is too small is 0, as for strtod and Python. Nothing for any other text.
[[nodiscard]] std::optional<double> parse_decimal(std::string_view text);

}  // namespace jang
