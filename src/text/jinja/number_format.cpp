// SPDX-License-Identifier: Apache-2.0
// Sign, prefix, digits, grouping, padding; and the specification language of str.format().
#include "text/jinja/number_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/strings.h"

namespace jang::text::jinja {
namespace {

constexpr std::int64_t kMaxPrecision = 1000;  // a double has no more than that many digits to show

std::string group(std::string digits, char separator, std::size_t size) {
  for (std::size_t at = digits.size(); at > size;) {
    at -= size;
    digits.insert(at, 1, separator);
  }
  return digits;
}

// `body`: digits with whatever follows them. Zeros go between sign and digits, other padding around.
Result<Text> finish(Runtime& runtime, bool negative, std::string_view prefix, const std::string& body, const NumberStyle& style) {
  std::string head = negative ? "-" : style.sign == '+' ? "+" : style.sign == ' ' ? " " : "";
  head += prefix;
  const bool inner = style.align == '=' || (style.zero && style.align != '<' && style.align != '^');
  if (inner) {
    const Text fill = style.zero && style.align != '=' ? Text("0") : style.fill;
    JANG_ASSIGN(const Text padded, pad(runtime, Text(body), style.width - static_cast<std::int64_t>(head.size()), fill, Side::left));
    Text out(head);
    out.append(padded);
    return out;
  }
  const Side where = style.align == '<' ? Side::right : Side::left;
  const Text whole(head + body);
  if (style.align != '^') return pad(runtime, whole, style.width, style.fill, where);
  const std::int64_t lacking = std::max<std::int64_t>(style.width - static_cast<std::int64_t>(whole.length()), 0);
  JANG_ASSIGN(const Text left, pad(runtime, whole, static_cast<std::int64_t>(whole.length()) + lacking / 2, style.fill, Side::left));
  return pad(runtime, left, style.width, style.fill, Side::right);
}

// As printf writes it in the C locale: printf itself asks the locale of the process.
std::string printed(double magnitude, std::chars_format format, int precision) {
  std::string out(static_cast<std::size_t>(precision) + 400, '\0');
  const auto end = std::to_chars(out.data(), out.data() + out.size(), magnitude, format, precision);
  out.resize(static_cast<std::size_t>(end.ptr - out.data()));
  return out;
}

// %g, and %#g, which keeps the zeros at the end: the exponent that the rounded number has decides between fixed and scientific.
std::string general(double magnitude, int precision, bool keep_zeros) {
  if (!keep_zeros) return printed(magnitude, std::chars_format::general, precision);
  const int digits = std::max(precision, 1);
  std::string scientific = printed(magnitude, std::chars_format::scientific, digits - 1);
  const std::size_t mark = scientific.find('e') + 1;
  const std::size_t first = scientific[mark] == '+' ? mark + 1 : mark;
  int exponent = 0;
  std::from_chars(scientific.data() + first, scientific.data() + scientific.size(), exponent);
  if (exponent < -4 || exponent >= digits) return scientific;
  return printed(magnitude, std::chars_format::fixed, digits - 1 - exponent);
}

std::string real_digits(double magnitude, char type, const NumberStyle& style) {
  if (std::isinf(magnitude)) return type == 'E' || type == 'F' || type == 'G' ? "INF" : "inf";
  if (std::isnan(magnitude)) return type == 'E' || type == 'F' || type == 'G' ? "NAN" : "nan";
  if (type == '\0' && style.precision < 0) return format_real(magnitude);
  const int precision = style.precision < 0 ? 6 : static_cast<int>(style.precision);
  const char lower = type == '\0' ? 'g' : static_cast<char>(type | 0x20);
  std::string out = lower == 'e'   ? printed(magnitude, std::chars_format::scientific, precision)
                    : lower == 'f' ? printed(magnitude, std::chars_format::fixed, precision)
                                   : general(magnitude, precision, style.alternate);
  if (style.alternate && out.find('.') == std::string::npos) out.insert(std::min(out.find('e'), out.size()), 1, '.');
  if (type == 'E' || type == 'G') std::ranges::replace(out, 'e', 'E');
  return out;
}

// [[fill]align][sign][#][0][width][grouping][.precision][type]
struct Specification {
  NumberStyle style;
  char type = '\0';
};

Result<std::int64_t> take_number(std::string_view& rest) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (parsed.ec == std::errc::result_out_of_range) return template_error("Too many decimal digits in format string");
  rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
  return value;
}

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

Result<Specification> parse_specification(const Text& text) {
  Specification out;
  std::string_view rest = text.bytes();
  const std::size_t first = rest.empty() ? 0 : utf8::length_at(rest[0]);
  if (rest.size() > first && first > 0 && is_align(rest[first])) {
    out.style.fill = text.slice(0, first);
    out.style.align = rest[first];
    rest.remove_prefix(first + 1);
  } else if (!rest.empty() && is_align(rest[0])) {
    out.style.align = rest[0];
    rest.remove_prefix(1);
  }
  const auto take = [&](char c) {
    if (!rest.starts_with(c)) return false;
    rest.remove_prefix(1);
    return true;
  };
  for (const char sign : {'+', '-', ' '})
    if (take(sign)) {
      out.style.sign = sign;
      break;
    }
  out.style.alternate = take('#');
  out.style.zero = take('0');
  if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
    JANG_ASSIGN(out.style.width, take_number(rest));
  }
  if (take(',')) out.style.grouping = ',';
  if (take('_')) out.style.grouping = '_';
  if (take('.')) {
    if (rest.empty() || rest[0] < '0' || rest[0] > '9') return template_error("Format specifier missing precision");
    JANG_ASSIGN(out.style.precision, take_number(rest));
  }
  if (rest.size() > 1) return template_error("Invalid format specifier");
  if (!rest.empty()) out.type = rest[0];
  return out;
}

Status unknown_type(const Specification& spec, const Value& value) {
  return template_error(
      fmt::format("Unknown format code {} for object of type '{}'", in_quotes(std::string_view(&spec.type, 1)), type_name(value)));
}

Result<Text> format_text(Runtime& runtime, const Text& text, const NumberStyle& style) {
  Text shown = text;
  if (style.precision >= 0 && static_cast<std::size_t>(style.precision) < text.length())
    shown = text.slice(0, text.byte_of(static_cast<std::size_t>(style.precision)));
  const Text fill = style.zero && style.align == '\0' ? Text("0") : style.fill;
  if (style.align != '^') return pad(runtime, shown, style.width, fill, style.align == '>' ? Side::left : Side::right);
  const std::int64_t lacking = std::max<std::int64_t>(style.width - static_cast<std::int64_t>(shown.length()), 0);
  JANG_ASSIGN(const Text left, pad(runtime, shown, static_cast<std::int64_t>(shown.length()) + lacking / 2, fill, Side::left));
  return pad(runtime, left, style.width, fill, Side::right);
}

}  // namespace

Result<Text> format_integer(Runtime& runtime, std::int64_t value, char type, const NumberStyle& style) {
  const bool negative = value < 0;
  const std::uint64_t magnitude = negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  JANG_TRY(Runtime::check_string_size(static_cast<std::uint64_t>(std::max<std::int64_t>(style.precision, 0))));
  std::string digits;
  std::string_view prefix;
  switch (type) {
    case 'x': digits = fmt::format("{:x}", magnitude), prefix = "0x"; break;
    case 'X': digits = fmt::format("{:X}", magnitude), prefix = "0X"; break;
    case 'o': digits = fmt::format("{:o}", magnitude), prefix = "0o"; break;
    case 'b': digits = fmt::format("{:b}", magnitude), prefix = "0b"; break;
    default: digits = fmt::format("{}", magnitude);
  }
  if (static_cast<std::int64_t>(digits.size()) < style.precision)
    digits.insert(0, static_cast<std::size_t>(style.precision) - digits.size(), '0');
  if (style.grouping != '\0') digits = group(digits, style.grouping, type == 'd' ? 3 : 4);
  return finish(runtime, negative, style.alternate ? prefix : "", digits, style);
}

Result<Text> format_real(Runtime& runtime, double value, char type, const NumberStyle& style) {
  if (style.precision > kMaxPrecision) return template_error(fmt::format("a precision of more than {} digits", kMaxPrecision));
  const bool negative = std::signbit(value) && !std::isnan(value);
  std::string digits = real_digits(std::fabs(value), type, style);
  if (style.grouping != '\0') {
    const std::size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
    digits = group(digits.substr(0, whole), style.grouping, 3) + digits.substr(whole);
  }
  return finish(runtime, negative, "", digits, style);
}

Result<Text> format_value(Runtime& runtime, const Value& value, const Text& specification) {
  if (specification.size() == 0) return to_text(runtime, value);
  JANG_ASSIGN(const Specification spec, parse_specification(specification));
  const char type = spec.type;
  if (value.is(Kind::string)) {
    if (type != '\0' && type != 's') return unknown_type(spec, value);
    if (spec.style.align == '=') return template_error("'=' alignment not allowed in string format specifier");
    return format_text(runtime, value.text(), spec.style);
  }
  if (!value.is_number()) return template_error(fmt::format("unsupported format string passed to {}.__format__", type_name(value)));
  const bool as_real =
      value.is(Kind::real) || type == 'e' || type == 'E' || type == 'f' || type == 'F' || type == 'g' || type == 'G' || type == '%';
  if (!as_real) {
    if (type != '\0' && type != 'd' && type != 'x' && type != 'X' && type != 'o' && type != 'b') return unknown_type(spec, value);
    if (spec.style.precision >= 0) return template_error("Precision not allowed in integer format specifier");
    return format_integer(runtime, value.as_int(), type == '\0' ? 'd' : type, spec.style);
  }
  if (type == '%') {
    JANG_ASSIGN(Text percent, format_real(runtime, value.as_real() * 100, 'f', spec.style));
    percent.append("%");
    return percent;
  }
  if (type != '\0' && std::string_view("eEfFgG").find(type) == std::string_view::npos) return unknown_type(spec, value);
  return format_real(runtime, value.as_real(), type, spec.style);
}

}  // namespace jang::text::jinja
