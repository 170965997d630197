// SPDX-License-Identifier: Apache-2.0
// Filters for numbers: abs, int, float, round.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/decimal.h"
#include "text/jinja/filters.h"
#include "text/jinja/parameters.h"
#include "text/jinja/strings.h"

namespace jang::text::jinja {
namespace {

constexpr double kTwo63 = 9223372036854775808.0;

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

// int(text, base): nullopt when Python would raise ValueError.
Result<std::optional<std::int64_t>> parse_integer(const Text& text, std::int64_t base) {
  std::string digits = number_text(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  if (digits.size() > 1 && digits[0] == '0') {
    const char letter = static_cast<char>(digits[1] | 0x20);
    const std::int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == named || base == 0)) {
      digits.erase(0, 2);
      base = named;
    }
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return std::optional<std::int64_t>();
  std::uint64_t magnitude = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, magnitude, static_cast<int>(base));
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
  if (value >= kTwo63 || value < -kTwo63) return too_long();
  return std::optional<std::int64_t>(static_cast<std::int64_t>(value));
}

Result<Value> int_filter(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("int", arguments, std::array<std::string_view, 2>{"default", "base"}));
  const Value fallback = p.has(0) ? p[0] : Value::integer(0);
  if (self.is_integral()) return Value::integer(self.as_int());
  if (self.is(Kind::undefined)) return undefined_error(self);
  std::optional<std::int64_t> value;
  if (self.is(Kind::string)) {
    JANG_ASSIGN(const std::int64_t base, p.integer(1, 10));
    JANG_ASSIGN(value, parse_integer(self.text(), base));
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

// round(value, precision) of Python: correct in decimal, ties of the exact binary value to even.
double round_decimal(double value, std::int64_t precision) {
  if (!std::isfinite(value) || precision > 400) return value;
  if (precision < -400) return std::copysign(0.0, value);
  if (precision >= 0) return parse_decimal(fmt::format("{:.{}f}", value, precision)).value_or(value);
  // Exact: the digits that are cut decide, and they are those of the integer part unless it ends on a tie.
  const double scale = std::pow(10.0, static_cast<double>(-precision));
  if (std::isinf(scale)) return std::copysign(0.0, value);
  return std::nearbyint(value / scale) * scale;
}

Result<Value> round_integer(std::int64_t value, std::int64_t precision) {
  if (precision >= 0) return Value::integer(value);
  if (precision < -18) return Value::integer(0);
  std::int64_t scale = 1;
  for (std::int64_t i = precision; i < 0; ++i) scale *= 10;
  std::int64_t rest = value % scale;
  if (rest < 0) rest += scale;
  std::int64_t down = 0, up = 0;
  if (__builtin_sub_overflow(value, rest, &down)) return too_long();
  const bool odd = (down / scale) % 2 != 0;
  if (rest * 2 < scale || (rest * 2 == scale && !odd)) return Value::integer(down);
  if (__builtin_add_overflow(down, scale, &up)) return too_long();
  return Value::integer(up);
}

Result<Value> round_filter(Runtime&, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("round", arguments, std::array<std::string_view, 2>{"precision", "method"}));
  JANG_ASSIGN(const std::int64_t precision, p.integer(0, 0));
  std::string method = "common";
  if (p.has(1)) {
    JANG_ASSIGN(const Text* given, p.text(1));
    method = given->bytes();
  }
  if (method != "common" && method != "ceil" && method != "floor") return template_error("method must be common, ceil or floor");
  if (self.is(Kind::undefined)) return undefined_error(self);
  if (!self.is_number()) return template_error(fmt::format("type {} cannot be rounded", type_name(self)));
  if (method == "common")
    return self.is_integral() ? round_integer(self.as_int(), precision) : Value::real(round_decimal(self.as_real(), precision));
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = self.as_real() * scale;
  if (!std::isfinite(scaled) || scale == 0) return template_error("the number is out of the range that can be rounded");
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

constexpr auto kFilters =
    std::to_array<Builtin>({{"abs", abs_filter}, {"int", int_filter}, {"float", float_filter}, {"round", round_filter}});

}  // namespace

std::span<const Builtin> number_filters() { return kFilters; }

}  // namespace jang::text::jinja
