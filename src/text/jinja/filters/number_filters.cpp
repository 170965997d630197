// SPDX-License-Identifier: Apache-2.0
// Filters for numbers: abs, int, float.
#include "text/jinja/filters/number_filters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/decimal.h"
#include "text/jinja/library/parameters.h"
#include "text/jinja/runtime/arithmetic.h"
#include "text/jinja/runtime/refused.h"
#include "text/jinja/runtime/strings.h"

namespace jang::text::jinja {
namespace {

constexpr double kEndOfInt64 = 9223372036854775808.0;

Status too_long() { return {StatusCode::invalid_argument, "the template computes an integer beyond 64 bits"}; }

Result<Value> abs_filter(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("abs", arguments));
  if (self.is(Kind::real)) return Value::real(std::fabs(self.as_real()));
  if (self.is_integral()) return self.as_int() < 0 ? negate(self) : Value::integer(self.as_int());
  if (self.is(Kind::undefined)) return undefined_error(self);
  return template_error(fmt::format("bad operand type for abs(): '{}'", type_name(self)));
}

// The digits of a Python number in text: blanks around, single underscores between digits. Empty when it is none.
std::string number_text(const Text& text) {
  const std::string bytes = strip(text, Side::both, nullptr).bytes();
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto is_alnum = [&](std::size_t at) {
      return at < bytes.size() && ((bytes[at] >= '0' && bytes[at] <= '9') || ((bytes[at] | 0x20) >= 'a' && (bytes[at] | 0x20) <= 'z'));
    };
    if (bytes[i] == '_') {
      if (i == 0 || !is_alnum(i - 1) || !is_alnum(i + 1)) return {};
      continue;
    }
    out += bytes[i];
  }
  return out;
}

// int(text): nullopt when Python would raise ValueError.
Result<std::optional<std::int64_t>> parse_integer(const Text& text) {
  std::string digits = number_text(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  std::uint64_t magnitude = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, magnitude);
  if (digits.empty() || parsed.ptr != end) return std::optional<std::int64_t>();
  const std::uint64_t limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) + (negative ? 1u : 0u);
  if (parsed.ec != std::errc() || magnitude > limit) return too_long();
  return std::optional<std::int64_t>(static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude));
}

std::optional<double> parse_real(const Text& text) {
  std::string digits = number_text(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  const std::optional<double> value = parse_decimal(digits);
  return value && negative ? -*value : value;
}

// int(float): what does not fit has no value in Python either, or is longer than 64 bits.
Result<std::optional<std::int64_t>> truncated(double value) {
  if (!std::isfinite(value)) return std::optional<std::int64_t>();
  if (value >= kEndOfInt64 || value < -kEndOfInt64) return too_long();
  return std::optional<std::int64_t>(static_cast<std::int64_t>(value));
}

Result<Value> int_filter(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("int", arguments, std::array<std::string_view, 2>{"default", "base"}));
  if (p.has(1)) return not_supported("the argument 'base' of the filter 'int'");
  const Value fallback = p.has(0) ? p[0] : Value::integer(0);
  if (self.is_integral()) return Value::integer(self.as_int());
  if (self.is(Kind::undefined)) return undefined_error(self);
  std::optional<std::int64_t> value;
  if (self.is(Kind::string)) {
    JANG_ASSIGN(value, parse_integer(self.text()));
    const std::optional<double> real = value ? std::nullopt : parse_real(self.text());
    if (real) {
      JANG_ASSIGN(value, truncated(*real));
    }
  } else if (self.is(Kind::real)) {
    if (std::isinf(self.as_real())) return template_error("cannot convert float infinity to integer");
    JANG_ASSIGN(value, truncated(self.as_real()));
    if (!value) return template_error("cannot convert float NaN to integer");
  }
  return value ? Value::integer(*value) : fallback;
}

Result<Value> float_filter(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("float", arguments, std::array<std::string_view, 1>{"default"}));
  if (self.is_number()) return Value::real(self.as_real());
  if (self.is(Kind::undefined)) return undefined_error(self);
  if (self.is(Kind::string))
    if (const std::optional<double> value = parse_real(self.text())) return Value::real(*value);
  return p.has(0) ? p[0] : Value::real(0);
}

constexpr auto kNumberFilters = std::to_array<Builtin>({{"abs", abs_filter}, {"int", int_filter}, {"float", float_filter}});

}  // namespace

std::span<const Builtin> number_filters() { return kNumberFilters; }

}  // namespace jang::text::jinja
