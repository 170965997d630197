// SPDX-License-Identifier: Apache-2.0
// Two modes: text up to the next tag, and the inside of a tag. White space control happens where a tag begins (what is cut from the text
// before it) and where it ends (what is skipped after it).
#include "text/jinja/syntax/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <utf8proc.h>

#include "base/decimal.h"
#include "base/utf8.h"
#include "text/jinja/runtime/characters.h"
#include "text/jinja/runtime/refused.h"
#include "text/jinja/runtime/text.h"

namespace jang::text::jinja {
namespace {

constexpr std::array<std::string_view, 26> kSymbols = {"**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                                       "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// \r\n and \r become \n; one \n at the end goes.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) JANG_TRY(text());
    add(TokenKind::end);
    return std::move(tokens_);
  }

 private:
  Token& add(TokenKind kind, std::string text = {}) {
    tokens_.push_back({kind, line_, std::move(text), 0, 0});
    return tokens_.back();
  }

  [[nodiscard]] bool starts(std::string_view what) const { return std::string_view(source_).substr(at_).starts_with(what); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  void skip(std::size_t bytes) {
    line_ += static_cast<int>(
        std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_), source_.begin() + static_cast<std::ptrdiff_t>(at_ + bytes), '\n'));
    at_ += bytes;
  }
  void skip_space() {
    const std::size_t length = leading_space(std::string_view(source_).substr(at_));
    skip(length);
  }

  // Text before a tag that starts at `tag`; the sign is what follows its opening bracket.
  void add_data(std::size_t tag, char sign, bool may_strip_blanks) {
    std::string_view data = std::string_view(source_).substr(at_, tag - at_);
    if (sign == '-') {
      data = data.substr(0, data.size() - trailing_space(data));
    } else if (sign != '+' && may_strip_blanks) {
      const std::size_t newline = data.rfind('\n');
      const std::size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
      const std::string_view blanks = data.substr(line_start);
      if ((line_start > 0 || line_starting_) && leading_space(blanks) == blanks.size()) data = data.substr(0, line_start);
    }
    if (!data.empty()) add(TokenKind::data, std::string(data));
    skip(tag - at_);
  }

  // Skips an opening bracket and its sign.
  char open_sign(std::size_t tag) const {
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    return sign == '-' || sign == '+' ? sign : '\0';
  }

  Status text() {
    std::size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        add(TokenKind::data, source_.substr(at_));
        skip(source_.size() - at_);
        return {};
      }
      const char kind = source_[tag + 1];
      if (kind == '{' || kind == '%' || kind == '#') break;
      ++tag;
    }
    const char kind = source_[tag + 1];
    const char sign = open_sign(tag);
    add_data(tag, sign, kind != '{');
    if (kind == '%')
      if (const std::size_t raw = raw_tag_length(); raw > 0) return raw_block(raw);
    const int begins = line_;
    skip(sign != '\0' ? 3 : 2);
    if (kind == '#') return comment(begins);
    return inside(kind == '{');
  }

  // After a block or comment tag: "-" eats all white space, nothing eats one newline, "+" eats nothing.
  void after_tag(bool minus, bool plus) {
    const std::size_t before = at_;
    if (minus)
      skip_space();
    else if (!plus && peek() == '\n')
      skip(1);
    line_starting_ = at_ > before ? source_[at_ - 1] == '\n' : false;
  }

  Status comment(int begins) {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos && at_ == source_.size()) return {};  // nothing but an opening bracket is let pass
    if (end == std::string::npos) return syntax_error(begins, "missing end of comment tag");
    const bool minus = end > at_ && source_[end - 1] == '-', plus = end > at_ && source_[end - 1] == '+';
    skip(end + 2 - at_);
    after_tag(minus, plus);
    return {};
  }

  // Length of "{%- raw -%}" with what its end eats, or 0 when the tag is another.
  [[nodiscard]] std::size_t raw_tag_length() const {
    const std::string_view rest = std::string_view(source_).substr(at_);
    std::size_t i = open_sign(at_) != '\0' ? 3 : 2;
    i += leading_space(rest.substr(i));
    if (!rest.substr(i).starts_with("raw")) return 0;
    i += 3;
    i += leading_space(rest.substr(i));
    if (rest.substr(i).starts_with("%}")) return i + 2;
    if (!rest.substr(i).starts_with("-%}")) return 0;
    i += 3;
    return i + leading_space(rest.substr(i));
  }

  Status raw_block(std::size_t tag_length) {
    const int begins = line_;
    skip(tag_length);
    line_starting_ = source_[at_ - 1] == '\n';
    for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 1)) {
      const std::string_view rest = std::string_view(source_).substr(tag);
      std::size_t i = open_sign(tag) != '\0' ? 3 : 2;
      i += leading_space(rest.substr(i));
      if (!rest.substr(i).starts_with("endraw")) continue;
      i += 6;
      i += leading_space(rest.substr(i));
      const bool minus = rest.substr(i).starts_with("-%}"), plus = rest.substr(i).starts_with("+%}");
      if (!minus && !plus && !rest.substr(i).starts_with("%}")) continue;
      add_data(tag, open_sign(tag), true);
      skip(i + (minus || plus ? 3 : 2));
      after_tag(minus, plus);
      return {};
    }
    if (at_ == source_.size()) return {};
    return syntax_error(begins, "missing end of raw directive");
  }

  // The inside of {{ }} or {% %}.
  Status inside(bool variable) {
    add(variable ? TokenKind::variable_begin : TokenKind::block_begin);
    const std::string_view close = variable ? "}}" : "%}";
    std::string brackets;  // closing brackets that are expected, innermost last
    while (true) {
      if (brackets.empty() && at_tag_end(close)) return finish_tag(variable, close);
      if (at_ >= source_.size()) return unclosed(variable, brackets);
      JANG_TRY(token(brackets));
    }
  }

  [[nodiscard]] bool at_tag_end(std::string_view close) const {
    if (starts(close)) return true;
    const bool sign = peek() == '-' || (peek() == '+' && close == "%}");
    return sign && std::string_view(source_).substr(at_ + 1).starts_with(close);
  }

  Status finish_tag(bool variable, std::string_view close) {
    const bool minus = peek() == '-', plus = peek() == '+';
    add(variable ? TokenKind::variable_end : TokenKind::block_end);
    skip(close.size() + (minus || plus ? 1 : 0));
    after_tag(minus, plus || variable);  // a variable's end eats no newline
    return {};
  }

  Status unclosed(bool variable, const std::string& brackets) const {
    if (!brackets.empty()) return syntax_error(line_, fmt::format("the template ends where '{}' is expected", brackets.back()));
    return syntax_error(line_, variable ? "the template ends inside {{ }}" : "the template ends inside {% %}");
  }

  Status token(std::string& brackets) {
    if (const std::size_t space = leading_space(std::string_view(source_).substr(at_)); space > 0) {
      skip(space);
      return {};
    }
    const char c = peek();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      JANG_ASSIGN(const bool taken, number());
      if (taken) return {};
    }
    if (const std::size_t length = name_length(); length > 0) {
      add(TokenKind::name, source_.substr(at_, length));
      skip(length);
      return {};
    }
    if (c == '\'' || c == '"') return string(c);
    return symbol(brackets);
  }

  // Letters, digits, underscores of any script, not starting with a digit.
  [[nodiscard]] std::size_t name_length() const {
    std::size_t end = at_;
    while (end < source_.size()) {
      const std::size_t length = utf8::length_at(source_[end]);
      const char32_t c = utf8::first(std::string_view(source_).substr(end, length));
      if (!is_word(c) || (end == at_ && is_decimal_digit(c))) break;
      end += length;
    }
    return end - at_;
  }

  // Digits with single underscores between them: their end.
  template <typename IsDigit>
  [[nodiscard]] std::size_t digits_end(std::size_t from, IsDigit&& is) const {
    std::size_t end = from;
    while (end < source_.size() &&
           (is(source_[end]) || (source_[end] == '_' && end > from && end + 1 < source_.size() && is(source_[end + 1]))))
      ++end;
    return end;
  }

  // False when what stands here is a dot and no number (1.2 after "a." is read as two integers).
  Result<bool> number() {
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    const std::size_t whole = digits_end(at_, is_digit);
    std::size_t end = whole;
    bool real = false;
    if (!after_dot && end > at_) {
      if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
        end = digits_end(end + 1, is_digit);
        real = true;
      }
      if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
        std::size_t exponent = end + 1;
        if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
        if (exponent < source_.size() && is_digit(source_[exponent])) {
          end = digits_end(exponent, is_digit);
          real = true;
        }
      }
    }
    if (whole == at_) return false;
    if (real) return real_number(end);
    return integer_number(whole);
  }

  [[nodiscard]] std::string without_underscores(std::size_t begin, std::size_t end) const {
    std::string digits = source_.substr(begin, end - begin);
    std::erase(digits, '_');
    return digits;
  }

  Result<bool> real_number(std::size_t end) {
    add(TokenKind::real).real = parse_decimal(without_underscores(at_, end)).value_or(0);
    skip(end - at_);
    return true;
  }

  Result<bool> integer_number(std::size_t end) {
    if (peek() == '0' && end == at_ + 1) {
      const char letter = static_cast<char>(peek(1) | 0x20);
      if ((letter == 'x' && is_hex(peek(2))) || ((letter == 'o' || letter == 'b') && is_digit(peek(2))))
        return not_supported("a number in another base than ten").with_context(fmt::format("line {}", line_));
    } else if (peek() == '0') {  // 007 is 0, 0, 7
      end = digits_end(at_, [](char c) { return c == '0'; });
    }
    const std::string digits = without_underscores(at_, end);
    std::int64_t value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc())
      return syntax_error(line_, fmt::format("the integer {} does not fit 64 bits", digits.substr(0, 40)));
    add(TokenKind::integer).integer = value;
    skip(end - at_);
    return true;
  }

  Status symbol(std::string& brackets) {
    for (const std::string_view s : kSymbols) {
      if (!starts(s)) continue;
      if (s == "(" || s == "[" || s == "{") brackets += s == "(" ? ')' : s == "[" ? ']' : '}';
      if (s == ")" || s == "]" || s == "}") {
        if (brackets.empty()) return syntax_error(line_, fmt::format("unexpected '{}'", s));
        if (brackets.back() != s[0]) return syntax_error(line_, fmt::format("unexpected '{}', expected '{}'", s, brackets.back()));
        brackets.pop_back();
      }
      add(TokenKind::symbol, std::string(s));
      skip(s.size());
      return {};
    }
    const std::string_view c = std::string_view(source_).substr(at_, utf8::length_at(peek()));
    return syntax_error(line_, fmt::format("unexpected character '{}'", c));
  }

  Status string(char quote) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return syntax_error(line_, "a string is not closed");
    JANG_ASSIGN(std::string value, unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
    add(TokenKind::string, std::move(value));
    skip(end + 1 - at_);
    return {};
  }

  Result<std::string> unescape(std::string_view raw) const {
    std::string out;
    for (std::size_t i = 0; i < raw.size();) {
      if (raw[i] != '\\') {
        out += raw[i++];
        continue;
      }
      JANG_ASSIGN(const std::size_t used, escape(raw.substr(i), out));
      i += used;
    }
    return out;
  }

  // One escape of Python's string literals; unknown ones stay as they are. Bytes used. Precondition: text[0] is a backslash with
  // something behind it.
  Result<std::size_t> escape(std::string_view text, std::string& out) const {
    static constexpr std::string_view kLetters = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
    const char c = text[1];
    if (c == '\n') return std::size_t{2};
    if (const std::size_t k = kLetters.find(c); k != std::string_view::npos) {
      out += kMeanings[k];
      return std::size_t{2};
    }
    if (c >= '0' && c <= '7') {
      std::uint32_t value = 0;
      std::size_t i = 1;
      for (; i < std::min<std::size_t>(4, text.size()) && text[i] >= '0' && text[i] <= '7'; ++i)
        value = value * 8 + static_cast<std::uint32_t>(text[i] - '0');
      utf8::append(out, value);
      return i;
    }
    if (c == 'x') return hex_escape(text, 2, out);
    if (c == 'u') return hex_escape(text, 4, out);
    if (c == 'U') return hex_escape(text, 8, out);
    if (c == 'N') return not_supported("\\N{...} in a string").with_context(fmt::format("line {}", line_));
    out += '\\';
    if (static_cast<unsigned char>(c) < 0x80) return std::size_t{1};
    // jinja escapes the source to ASCII first, and a backslash before that takes the escape's own backslash away
    const std::size_t length = utf8::length_at(c);
    const auto n = static_cast<std::uint32_t>(utf8::first(text.substr(1, length)));
    out += n < 0x100 ? fmt::format("x{:02x}", n) : n < 0x10000 ? fmt::format("u{:04x}", n) : fmt::format("U{:08x}", n);
    return 1 + length;
  }

  Result<std::size_t> hex_escape(std::string_view text, std::size_t digits, std::string& out) const {
    const std::string_view hex = text.substr(2, digits);
    if (hex.size() < digits || !std::all_of(hex.begin(), hex.end(), is_hex))
      return syntax_error(line_, "a truncated \\x, \\u or \\U escape");
    std::uint32_t value = 0;
    std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
    if (value > 0x10ffff) return syntax_error(line_, "an escape beyond U+10FFFF");
    if (value >= 0xd800 && value <= 0xdfff)
      return not_supported("a surrogate escape in a string").with_context(fmt::format("line {}", line_));
    utf8::append(out, value);
    return 2 + digits;
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) { return Lexer(source).run(); }

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data: return "template text";
    case TokenKind::variable_begin: return "'{{'";
    case TokenKind::variable_end: return "'}}'";
    case TokenKind::block_begin: return "'{%'";
    case TokenKind::block_end: return "'%}'";
    case TokenKind::string: return "a string";
    case TokenKind::integer: return "an integer";
    case TokenKind::real: return "a number";
    case TokenKind::end: return "the end of the template";
    default: return fmt::format("'{}'", token.text.substr(0, 60));
  }
}

Status syntax_error(int line, std::string_view message) { return {StatusCode::corrupt, fmt::format("line {}: {}", line, message)}; }

}  // namespace jang::text::jinja
