// SPDX-License-Identifier: Apache-2.0
// "%05.2f %s" % (a, b), and "{0:>5} {name!r}".format(a, name=b). Widths and precisions are checked before anything is padded.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "text/jinja/number_format.h"
#include "text/jinja/runtime.h"
#include "text/jinja/strings.h"

namespace jang::text::jinja {
namespace {

// One %-directive after its flags have been read.
struct Directive {
  std::string key;
  bool has_key = false;
  NumberStyle style;
  char type = 's';
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Text& format, const Value& arguments)
      : runtime_(runtime), format_(format), bytes_(format.bytes()), arguments_(arguments), is_tuple_(arguments.is(Kind::tuple)) {}

  Result<Value> run() {
    JANG_TRY(runtime_.charge_bytes(format_.size()));
    while (at_ < bytes_.size()) {
      const std::size_t percent = std::min(bytes_.find('%', at_), bytes_.size());
      out_.append(format_, at_, percent);
      at_ = percent;
      if (at_ < bytes_.size()) JANG_TRY(directive());
      JANG_TRY(Runtime::check_string_size(out_.size()));
    }
    const bool leftover =
        is_tuple_ ? next_ < arguments_.items().size() : !used_ && !arguments_.is(Kind::dict) && !arguments_.is(Kind::list);
    if (leftover && !(arguments_.is(Kind::undefined))) return template_error("not all arguments converted during string formatting");
    return runtime_.string(std::move(out_));
  }

 private:
  [[nodiscard]] char peek() const { return at_ < bytes_.size() ? bytes_[at_] : '\0'; }

  Result<Value> next_argument() {
    if (is_tuple_ && next_ < arguments_.items().size()) return arguments_.items()[next_++];
    if (is_tuple_ || used_) return template_error("not enough arguments for format string");
    used_ = true;
    return arguments_;
  }

  // A number or * : its value.
  Result<std::int64_t> number() {
    if (peek() == '*') {
      ++at_;
      JANG_ASSIGN(const Value value, next_argument());
      if (!value.is_integral()) return template_error("* wants int");
      return value.as_int();
    }
    std::int64_t value = 0;
    const char* begin = bytes_.data() + at_;
    const auto parsed = std::from_chars(begin, bytes_.data() + bytes_.size(), value);
    if (parsed.ec == std::errc::result_out_of_range) return Runtime::check_string_size(kMaxStringBytes + 1);
    at_ += static_cast<std::size_t>(parsed.ptr - begin);
    return value;
  }

  Status directive() {
    ++at_;
    Directive d;
    if (peek() == '(') {
      const std::size_t end = bytes_.find(')', at_);
      if (end == std::string::npos) return template_error("incomplete format key");
      d.has_key = true;
      d.key = bytes_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
    }
    d.style.align = '>';
    for (bool more = true; more;) {
      switch (peek()) {
        case '-': d.style.align = '<'; break;
        case '+': d.style.sign = '+'; break;
        case ' ': d.style.sign = d.style.sign == '+' ? '+' : ' '; break;
        case '#': d.style.alternate = true; break;
        case '0': d.style.zero = true; break;
        default: more = false;
      }
      if (more) ++at_;
    }
    JANG_ASSIGN(d.style.width, number());
    if (d.style.width < 0)
      d.style.align = '<',
      d.style.width = d.style.width < -static_cast<std::int64_t>(kMaxStringBytes) ? kMaxStringBytes + 1 : -d.style.width;
    if (peek() == '.') {
      ++at_;
      JANG_ASSIGN(const std::int64_t precision, number());
      d.style.precision = std::max<std::int64_t>(precision, 0);
    }
    while (peek() == 'h' || peek() == 'l' || peek() == 'L') ++at_;
    if (at_ >= bytes_.size()) return template_error("incomplete format");
    d.type = bytes_[at_++];
    if (d.style.align == '<') d.style.zero = false;
    return convert(d);
  }

  Status convert(const Directive& d) {
    if (d.type == '%') {
      out_.append("%");
      return {};
    }
    Value value;
    if (d.has_key) {
      if (!arguments_.is(Kind::dict)) return template_error("format requires a mapping");
      const Value* found = arguments_.dict().find(d.key);
      if (found == nullptr) return template_error(fmt::format("there is no key {}", in_quotes(d.key)));
      value = *found;
      used_ = true;
    } else {
      JANG_ASSIGN(value, next_argument());
    }
    Text text;
    switch (d.type) {
      case 's':
      case 'r':
      case 'a': return text_directive(d, value);
      case 'c': return character_directive(d, value);
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o': return integer_directive(d, value);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': {
        if (value.is(Kind::undefined)) return undefined_error(value);
        if (!value.is_number()) return template_error(fmt::format("must be real number, not {}", type_name(value)));
        NumberStyle style = d.style;
        if (style.precision < 0) style.precision = 6;
        JANG_ASSIGN(text, format_real(runtime_, value.as_real(), d.type, style));
        out_.append(text);
        return {};
      }
      default: return template_error(fmt::format("unsupported format character {}", in_quotes(std::string_view(&d.type, 1))));
    }
  }

  Status text_directive(const Directive& d, const Value& value) {
    Text text;
    JANG_TRY(d.type == 's' ? print(runtime_, value, text) : print_repr(runtime_, value, text));
    return append_text(d, text);
  }

  Status append_text(const Directive& d, Text text) {
    if (d.style.precision >= 0 && static_cast<std::size_t>(d.style.precision) < text.length())
      text = text.slice(0, text.byte_of(static_cast<std::size_t>(d.style.precision)));
    JANG_ASSIGN(const Text padded, pad(runtime_, text, d.style.width, Text(" "), d.style.align == '<' ? Side::right : Side::left));
    out_.append(padded);
    return {};
  }

  Status character_directive(const Directive& d, const Value& value) {
    if (value.is(Kind::string) && value.text().length() == 1) return append_text(d, value.text());
    const bool valid =
        value.is_integral() && value.as_int() >= 0 && value.as_int() < 0x110000 && (value.as_int() < 0xd800 || value.as_int() > 0xdfff);
    if (!valid) return template_error("%c requires int or char");
    Text text;
    text.append_codepoint(static_cast<char32_t>(value.as_int()), false);
    return append_text(d, std::move(text));
  }

  Status integer_directive(const Directive& d, const Value& value) {
    const bool decimal = d.type == 'd' || d.type == 'i' || d.type == 'u';
    std::int64_t number = 0;
    if (value.is(Kind::real) && decimal) {
      const double whole = std::trunc(value.as_real());
      if (!(std::fabs(whole) < 9223372036854775808.0)) return template_error("the number cannot be converted to an integer");
      number = static_cast<std::int64_t>(whole);
    } else if (value.is_integral()) {
      number = value.as_int();
    } else if (value.is(Kind::undefined)) {
      return undefined_error(value);
    } else {
      return template_error(fmt::format("%{} format: a number is required, not {}", d.type, type_name(value)));
    }
    JANG_ASSIGN(const Text text, format_integer(runtime_, number, decimal ? 'd' : d.type, d.style));
    out_.append(text);
    return {};
  }

  Runtime& runtime_;
  const Text& format_;
  const std::string& bytes_;
  const Value& arguments_;
  bool is_tuple_;
  bool used_ = false;
  std::size_t at_ = 0, next_ = 0;
  Text out_;
};

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Text& format, const Arguments& arguments)
      : runtime_(runtime), arguments_(arguments), format_(format) {}

  Result<Value> run() {
    Text out;
    JANG_TRY(expand(format_, 2, out));
    return runtime_.string(std::move(out));
  }

 private:
  // `depth`: how many more levels of fields a specification may hold.
  Status expand(const Text& format, int depth, Text& out) {
    const std::string& bytes = format.bytes();
    JANG_TRY(runtime_.charge(1));
    JANG_TRY(runtime_.charge_bytes(bytes.size()));
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
      out.append(format, at, brace);
      JANG_TRY(Runtime::check_string_size(out.size()));
      if (brace == bytes.size()) return {};
      if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
        out.append(format, brace, brace + 1);
        at = brace + 2;
        continue;
      }
      if (bytes[brace] == '}') return template_error("Single '}' encountered in format string");
      if (depth == 0) return template_error("Max string recursion exceeded");
      JANG_ASSIGN(const std::size_t end, field_end(bytes, brace + 1));
      JANG_TRY(field(format.slice(brace + 1, end), depth, out));
      at = end + 1;
    }
    return {};
  }

  // The brace that closes a field; those in [] do not count.
  static Result<std::size_t> field_end(const std::string& bytes, std::size_t at) {
    int open = 1;
    for (; at < bytes.size(); ++at) {
      if (bytes[at] == '{') ++open;
      if (bytes[at] == '}' && --open == 0) return at;
      if (bytes[at] == '[') at = std::min(bytes.find(']', at), bytes.size());
    }
    return template_error("expected '}' before end of string");
  }

  // name[!conversion][:specification]
  Status field(const Text& text, int depth, Text& out) {
    const std::string& bytes = text.bytes();
    std::size_t name_end = 0;
    while (name_end < bytes.size() && bytes[name_end] != '!' && bytes[name_end] != ':') {
      if (bytes[name_end] == '[') name_end = std::min(bytes.find(']', name_end), bytes.size() - 1);
      ++name_end;
    }
    char conversion = '\0';
    std::size_t at = name_end;
    if (at < bytes.size() && bytes[at] == '!') {
      if (at + 1 >= bytes.size()) return template_error("end of string while looking for conversion specifier");
      conversion = bytes[at + 1];
      at += 2;
      if (at < bytes.size() && bytes[at] != ':') return template_error("expected ':' after conversion specifier");
    }
    JANG_ASSIGN(Value value, resolve(std::string_view(bytes).substr(0, name_end)));
    Text specification;
    if (at < bytes.size()) JANG_TRY(expand(text.slice(at + 1, bytes.size()), depth - 1, specification));
    if (conversion != '\0') {
      if (conversion != 's' && conversion != 'r' && conversion != 'a') return template_error("unknown conversion specifier");
      Text converted;
      JANG_TRY(conversion == 's' ? print(runtime_, value, converted) : print_repr(runtime_, value, converted));
      JANG_ASSIGN(value, runtime_.string(std::move(converted)));
    }
    JANG_ASSIGN(const Text shown, format_value(runtime_, value, specification));
    out.append(shown);
    return Runtime::check_string_size(out.size());
  }

  static std::optional<std::int64_t> as_number(std::string_view text) {
    std::int64_t n = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), n);
    const bool whole = !text.empty() && text[0] != '-' && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    return whole ? std::optional(n) : std::nullopt;
  }

  Result<Value> positional(std::int64_t index) const {
    if (index >= static_cast<std::int64_t>(arguments_.positional.size()))
      return template_error(fmt::format("Replacement index {} out of range for positional args tuple", index));
    return arguments_.positional[static_cast<std::size_t>(index)];
  }

  Result<Value> first_value(std::string_view name) {
    if (name.empty()) {
      if (manual_) return template_error("cannot switch from manual field specification to automatic field numbering");
      automatic_ = true;
      return positional(next_++);
    }
    if (const auto number = as_number(name)) {
      if (automatic_) return template_error("cannot switch from automatic field numbering to manual field specification");
      manual_ = true;
      return positional(*number);
    }
    for (const auto& [key, value] : arguments_.named)
      if (key == name) return value;
    return template_error(fmt::format("there is no argument {}", in_quotes(name)));
  }

  // "a.b[0]" with the sandbox's rules.
  Result<Value> resolve(std::string_view path) {
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    JANG_ASSIGN(Value value, first_value(path.substr(0, end)));
    for (std::size_t at = end; at < path.size();) {
      JANG_TRY(runtime_.charge(1));
      if (path[at] == '.') {
        const std::size_t stop = std::min(path.find_first_of(".[", at + 1), path.size());
        if (stop == at + 1) return template_error("Empty attribute in format string");
        JANG_ASSIGN(value, get_attribute(runtime_, value, path.substr(at + 1, stop - at - 1)));
        at = stop;
        continue;
      }
      const std::size_t stop = path.find(']', at);
      if (path[at] != '[' || stop == std::string_view::npos) return template_error("Missing ']' in format string");
      const std::string_view key = path.substr(at + 1, stop - at - 1);
      const auto number = as_number(key);
      JANG_ASSIGN(value, get_item(runtime_, value, number ? Value::integer(*number) : Value::short_string(key)));
      at = stop + 1;
    }
    return value;
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  const Text& format_;
  std::int64_t next_ = 0;
  bool automatic_ = false, manual_ = false;
};

}  // namespace

Result<Value> format_percent(Runtime& runtime, const Text& format, const Value& arguments) {
  return PercentFormatter(runtime, format, arguments).run();
}

Result<Value> format_braces(Runtime& runtime, const Text& format, const Arguments& arguments) {
  return BraceFormatter(runtime, format, arguments).run();
}

}  // namespace jang::text::jinja
