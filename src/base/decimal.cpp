// SPDX-License-Identifier: Apache-2.0
// std::from_chars, and what it leaves open: it reports a number out of range without saying on which side.
#include "base/decimal.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <system_error>

namespace jang {
namespace {

// Infinity or 0 for the digits of a number without sign that no double is near to. The power of ten of its first digit that is not 0
// decides: it is far from 0 on either side.
double beyond_range(std::string_view digits) {
  const std::size_t mark = digits.find_first_of("eE");
  const std::string_view mantissa = digits.substr(0, mark);
  std::int64_t exponent = 0;
  if (mark != std::string_view::npos) {
    std::string_view tail = digits.substr(mark + 1);
    if (tail.starts_with('+')) tail.remove_prefix(1);
    const auto parsed = std::from_chars(tail.data(), tail.data() + tail.size(), exponent);
    if (parsed.ec == std::errc::result_out_of_range) exponent = std::numeric_limits<std::int64_t>::max() / (tail.starts_with('-') ? -2 : 2);
  }
  const std::size_t first = mantissa.find_first_not_of("0.");
  if (first == std::string_view::npos) return 0;
  const std::size_t point = mantissa.find('.') == std::string_view::npos ? mantissa.size() : mantissa.find('.');
  const auto place = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  return place + exponent > 0 ? std::numeric_limits<double>::infinity() : 0;
}

}  // namespace

std::optional<double> parse_decimal(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec == std::errc::invalid_argument || parsed.ptr != end || text.find('(') != std::string_view::npos) return std::nullopt;
  if (parsed.ec != std::errc::result_out_of_range) return value;
  const bool negative = text.starts_with('-');
  const double magnitude = beyond_range(text.substr(negative ? 1 : 0));
  return negative ? -magnitude : magnitude;
}

}  // namespace jang
