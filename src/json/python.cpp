// SPDX-License-Identifier: Apache-2.0
// A scanner that knows strings and numbers, nothing else: whatever it leaves is judged by the strict parser. Ordinals agree with that
// parser's order of numbers whenever the document is valid, because then every run of number characters outside strings is one number.
#include "json/python.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <system_error>

namespace jang::json {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t skip_digits(std::string_view s, std::size_t i) {
  while (i < s.size() && is_digit(s[i])) ++i;
  return i;
}

// The parts of a number of JSON's grammar, or nothing when `s` is not one as a whole.
struct Number {
  std::string_view integer, fraction, exponent;  // digits; the exponent with its sign
  bool is_integer = false;                       // neither fraction nor exponent
};
std::optional<Number> split_number(std::string_view s) {
  Number n;
  std::size_t at = s.starts_with('-') ? 1 : 0;
  std::size_t end = skip_digits(s, at);
  n.integer = s.substr(at, end - at);
  if (n.integer.empty() || (n.integer.size() > 1 && n.integer.front() == '0')) return std::nullopt;
  n.is_integer = end == s.size();
  if (end < s.size() && s[end] == '.') {
    at = end + 1;
    end = skip_digits(s, at);
    n.fraction = s.substr(at, end - at);
    if (n.fraction.empty()) return std::nullopt;
  }
  if (end < s.size() && (s[end] == 'e' || s[end] == 'E')) {
    at = end + 1;
    const std::size_t digits = at < s.size() && (s[at] == '+' || s[at] == '-') ? at + 1 : at;
    end = skip_digits(s, digits);
    if (end == digits) return std::nullopt;
    n.exponent = s.substr(at, end - at);
  }
  return end == s.size() ? std::optional(n) : std::nullopt;
}

// Whether a number beyond the range of double is too large rather than too small: the sign of its decimal magnitude.
bool is_too_large(const Number& n) {
  const std::size_t lead = n.integer.find_first_not_of('0');
  const std::size_t zeros = n.fraction.find_first_not_of('0');
  std::int64_t magnitude = lead != std::string_view::npos    ? static_cast<std::int64_t>(n.integer.size() - lead)
                           : zeros != std::string_view::npos ? -static_cast<std::int64_t>(zeros)
                                                             : std::numeric_limits<std::int32_t>::min();
  const bool negative = n.exponent.starts_with('-');
  std::int64_t exponent = 0;
  for (const char c : n.exponent)
    if (is_digit(c) && exponent < (std::int64_t{1} << 40)) exponent = exponent * 10 + (c - '0');
  magnitude += negative ? -exponent : exponent;
  return magnitude > 0;
}

// The value of a number that the strict parser refuses; nothing for one that it reads, and for what is no number.
std::optional<double> odd_value(std::string_view s) {
  if (s == "-Infinity") return -kInfinity;
  const std::optional<Number> n = split_number(s);
  if (!n) return std::nullopt;
  const char* const end = s.data() + s.size();
  if (n->is_integer) {
    std::int64_t narrow = 0;
    std::uint64_t wide = 0;
    if (std::from_chars(s.data(), end, narrow).ec == std::errc()) return std::nullopt;
    if (std::from_chars(s.data(), end, wide).ec == std::errc() && s.front() != '-') return std::nullopt;
  }
  double value = 0;
  const bool in_range = std::from_chars(s.data(), end, value).ec == std::errc();  // knows no locale
  if (in_range) return n->is_integer ? std::optional(value) : std::nullopt;
  if (!is_too_large(*n)) return 0.0;
  return s.front() == '-' ? -kInfinity : kInfinity;
}

}  // namespace

PlainText replace_odd_numbers(std::string_view text) {
  PlainText out{std::string(text), {}};
  std::size_t n_numbers = 0;
  const auto replace = [&](std::size_t at, std::size_t size, std::string_view by, double value) {
    out.text.replace(at, size, std::string(by) + std::string(size - by.size(), ' '));
    out.odd.push_back({n_numbers++, value});
  };
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    if (rest.front() == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i)
        if (text[i] == '\\') ++i;
      ++i;
    } else if (rest.starts_with("NaN")) {
      replace(i, 3, " 0", std::numeric_limits<double>::quiet_NaN());  // the space parts it from digits before it
      i += 3;
    } else if (rest.starts_with("Infinity")) {
      replace(i, 8, " 0", kInfinity);
      i += 8;
    } else if (rest.front() == '-' || is_digit(rest.front())) {
      std::size_t n = rest.starts_with("-Infinity") ? 9 : 1;
      while (n < rest.size() && (is_digit(rest[n]) || std::string_view("+-.eE").find(rest[n]) != std::string_view::npos)) ++n;
      if (const std::optional<double> value = odd_value(rest.substr(0, n)))
        replace(i, n, " 0", *value);
      else
        ++n_numbers;
      i += n;
    } else {
      ++i;
    }
  }
  return out;
}

}  // namespace jang::json
