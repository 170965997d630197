// SPDX-License-Identifier: Apache-2.0
// str() and repr() as Python prints: True, None, 1.0, 1e+16, ['a', "it's"], {'k': 1}.
#include "text/jinja/runtime/print.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/jinja/runtime/operations.h"

namespace jang::text::jinja {
namespace {

constexpr int kMaxPrintDepth = 2 * kMaxContainerDepth;  // namespaces can contain themselves

bool is_printable(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return c == ' ';
    default: return true;
  }
}

std::string escape_unprintable(char32_t c) {
  const auto n = static_cast<std::uint32_t>(c);
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  return n < 0x100 ? fmt::format("\\x{:02x}", n) : n < 0x10000 ? fmt::format("\\u{:04x}", n) : fmt::format("\\U{:08x}", n);
}

class Printer {
 public:
  Printer(Runtime& runtime, Text& out) : runtime_(runtime), out_(out), start_(out.size()) {}

  Status repr(const Value& value, int depth) {
    JANG_TRY(runtime_.charge(1));
    JANG_TRY(Runtime::check_string_size(out_.size() - start_));
    if (depth > kMaxPrintDepth) return template_error("the value to print contains itself");
    switch (value.kind()) {
      case Kind::missing:
      case Kind::undefined: out_.append("Undefined"); return {};
      case Kind::none: out_.append("None"); return {};
      case Kind::boolean: out_.append(value.as_bool() ? "True" : "False"); return {};
      case Kind::integer: out_.append(fmt::format("{}", value.as_int())); return {};
      case Kind::real: out_.append(value.is_wide_integer() ? value.bytes() : format_real(value.as_real())); return {};
      case Kind::string: return print_string(value);
      case Kind::list: return print_items(value.items(), "[", "]", depth);
      case Kind::tuple: return print_items(value.items(), "(", value.items().size() == 1 ? ",)" : ")", depth);
      case Kind::dict: return print_dict(value.dict(), depth);
      case Kind::view: return print_view(value, depth);
      case Kind::range: return print_range(value.range());
      case Kind::iterator: out_.append("<generator object>"); return {};
      case Kind::space: return print_namespace(value, depth);
      case Kind::loop: out_.append("<LoopContext>"); return {};
      case Kind::function: print_function(value.function()); return {};
    }
    return {};
  }

 private:
  Status print_string(const Value& value) {
    JANG_TRY(runtime_.charge_bytes(value.text().size()));
    if (value.is_markup()) out_.append("Markup(");
    append_string_repr(value.text(), out_);
    if (value.is_markup()) out_.append(")");
    return Runtime::check_string_size(out_.size() - start_);
  }

  Status print_items(const Values& items, std::string_view open, std::string_view close, int depth) {
    out_.append(open);
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_.append(", ");
      JANG_TRY(repr(items[i], depth + 1));
    }
    out_.append(close);
    return {};
  }

  Status print_dict(const DictData& dict, int depth) {
    out_.append("{");
    for (std::size_t i = 0; i < dict.entries.size(); ++i) {
      if (i > 0) out_.append(", ");
      JANG_TRY(repr(dict.entries[i].first, depth + 1));
      out_.append(": ");
      JANG_TRY(repr(dict.entries[i].second, depth + 1));
    }
    out_.append("}");
    return {};
  }

  Status print_view(const Value& view, int depth) {
    JANG_ASSIGN(const Values items, iterate(runtime_, view));
    out_.append(type_name(view));
    return print_items(items, "([", "])", depth);
  }

  Status print_range(const RangeData& range) {
    out_.append(range.step == 1 ? fmt::format("range({}, {})", range.start, range.stop)
                                : fmt::format("range({}, {}, {})", range.start, range.stop, range.step));
    return {};
  }

  // Python shows an address for all but macros.
  void print_function(const FunctionData& function) {
    if (function.macro == nullptr) return out_.append("<function>");
    out_.append(function.macro_name == "caller" ? "<Macro anonymous>" : "<Macro " + in_quotes(function.macro_name) + ">");
  }

  Status print_namespace(const Value& value, int depth) {
    out_.append("<Namespace {");
    bool first = true;
    for (const auto& [name, attribute] : value.entity<Namespace>().attributes) {
      if (!first) out_.append(", ");
      first = false;
      append_string_repr(Text(name, true), out_);  // may come from **input
      out_.append(": ");
      const Value copy = attribute;
      JANG_TRY(repr(copy, depth + 1));
    }
    out_.append("}>");
    return {};
  }

  Runtime& runtime_;
  Text& out_;
  std::size_t start_;  // what was there before counts for others
};

}  // namespace

std::string format_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));  // shortest digits: -d.ddde+XX
  const std::size_t e = text.find('e');
  int exponent = 0;
  const std::size_t digits_at = text[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(text.data() + digits_at, text.data() + text.size(), exponent);
  std::string digits;
  for (const char c : text.substr(0, e))
    if (c >= '0' && c <= '9') digits += c;
  const std::string sign = std::signbit(value) ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    std::string out = sign + digits.substr(0, 1);
    if (digits.size() > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

void append_string_repr(const Text& text, Text& out) {
  const bool has_single = text.bytes().find('\'') != std::string::npos;
  const char quote = has_single && text.bytes().find('"') == std::string::npos ? '"' : '\'';
  const std::string_view quote_text(&quote, 1);
  out.append(quote_text);
  std::size_t plain_from = 0;  // bytes since the last escape go out in one piece
  for (Reader reader(text); !reader.at_end();) {
    reader.next();
    const char32_t c = reader.codepoint();
    const bool escape = c == static_cast<char32_t>(quote) || c == '\\';
    if (!escape && is_printable(c)) continue;
    out.append(text, plain_from, reader.begin());
    plain_from = reader.end();
    out.append(escape ? std::string{'\\', static_cast<char>(c)} : escape_unprintable(c), reader.is_input());
  }
  out.append(text, plain_from, text.size());
  out.append(quote_text);
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 100;
  Text out;
  append_string_repr(Text(utf8::replace_invalid_bytes(text.substr(0, kShown))), out);
  return text.size() > kShown ? out.bytes() + "..." : out.bytes();
}

Status print(Runtime& runtime, const Value& value, Text& out) {
  if (value.is(Kind::undefined) || value.is(Kind::missing)) return {};
  if (!value.is(Kind::string)) return Printer(runtime, out).repr(value, 0);
  JANG_TRY(runtime.charge(1));
  JANG_TRY(runtime.charge_bytes(value.text().size()));
  out.append(value.text());
  return {};
}

Status print_repr(Runtime& runtime, const Value& value, Text& out) { return Printer(runtime, out).repr(value, 0); }

Result<Text> to_text(Runtime& runtime, const Value& value) {
  Text out;
  JANG_TRY(print(runtime, value, out));
  JANG_TRY(Runtime::check_string_size(out.size()));
  return out;
}

}  // namespace jang::text::jinja
