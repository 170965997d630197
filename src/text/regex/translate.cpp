// SPDX-License-Identifier: Apache-2.0
// Oniguruma (Ruby syntax, UTF-8) to PCRE2, one construct at a time. Where the two differ:
//   \s      PCRE2 adds U+180E: written as the list of White_Space
//   \w \b   Oniguruma's words are Alphabetic, M, Nd and Pc, and by an old table, outside of classes, six Latin-1 number signs
//   \h \v   a hexadecimal digit, and the character U+000B
//   \p{..}  Unicode 16, PCRE2 10.42 has 14: what is newer is added as ranges; scripts without their extensions
//   {,n}    is {0,n};  x{n,m}+ is (?:x{n,m})+, not possessive;  (?m) lets the dot match a newline
//   \xHH    is a byte: only ASCII is taken
//   [a[b]]  a class in a class is a union, && an intersection (it binds weaker than neighbours do, ^ weaker still): PCRE2 10.42 has
//   neither,
//           so such a class becomes lookaheads in front of one character; so does one that holds the complement of a set with additions
// Refused: back references, \G \K \X, extended mode, options in mid pattern, caseless text that folds to several characters, and caseless
// intersections and negated inner classes, whose folding depends on the order in which Oniguruma works.
#include "text/regex/translate.h"

#include <array>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

#include "base/utf8.h"
#include "json/json.h"
#include "text/unicode/tables.h"

namespace jang::text {
namespace {

constexpr std::string_view kSpace = R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{d7ff}\x{e000}-\x{10ffff})";
// Latin-1 members, which PCRE2 then finds in a bitmap.
constexpr std::string_view kLetterHead = R"(A-Za-z\x{aa}\x{b5}\x{ba}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{ff})";
constexpr std::string_view kNumberHead = R"(0-9\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

struct Name {
  std::string_view spelling;  // lower case, without spaces, hyphens and underscores
  std::string_view name;      // PCRE2's, and that of tables::newer
  bool is_script;
};
constexpr auto kClassNames = std::to_array<Name>({
    {"l", "L", false},
    {"letter", "L", false},
    {"lu", "Lu", false},
    {"uppercaseletter", "Lu", false},
    {"ll", "Ll", false},
    {"lowercaseletter", "Ll", false},
    {"lt", "Lt", false},
    {"titlecaseletter", "Lt", false},
    {"lm", "Lm", false},
    {"modifierletter", "Lm", false},
    {"lo", "Lo", false},
    {"otherletter", "Lo", false},
    {"m", "M", false},
    {"mark", "M", false},
    {"mn", "Mn", false},
    {"nonspacingmark", "Mn", false},
    {"mc", "Mc", false},
    {"spacingmark", "Mc", false},
    {"me", "Me", false},
    {"enclosingmark", "Me", false},
    {"n", "N", false},
    {"number", "N", false},
    {"nd", "Nd", false},
    {"decimalnumber", "Nd", false},
    {"nl", "Nl", false},
    {"letternumber", "Nl", false},
    {"no", "No", false},
    {"othernumber", "No", false},
    {"p", "P", false},
    {"punctuation", "P", false},
    {"pc", "Pc", false},
    {"connectorpunctuation", "Pc", false},
    {"pd", "Pd", false},
    {"dashpunctuation", "Pd", false},
    {"ps", "Ps", false},
    {"openpunctuation", "Ps", false},
    {"pe", "Pe", false},
    {"closepunctuation", "Pe", false},
    {"pi", "Pi", false},
    {"initialpunctuation", "Pi", false},
    {"pf", "Pf", false},
    {"finalpunctuation", "Pf", false},
    {"po", "Po", false},
    {"otherpunctuation", "Po", false},
    {"s", "S", false},
    {"symbol", "S", false},
    {"sm", "Sm", false},
    {"mathsymbol", "Sm", false},
    {"sc", "Sc", false},
    {"currencysymbol", "Sc", false},
    {"sk", "Sk", false},
    {"modifiersymbol", "Sk", false},
    {"so", "So", false},
    {"othersymbol", "So", false},
    {"z", "Z", false},
    {"separator", "Z", false},
    {"zs", "Zs", false},
    {"spaceseparator", "Zs", false},
    {"zl", "Zl", false},
    {"lineseparator", "Zl", false},
    {"zp", "Zp", false},
    {"paragraphseparator", "Zp", false},
    {"cc", "Cc", false},
    {"control", "Cc", false},
    {"cf", "Cf", false},
    {"format", "Cf", false},
    {"co", "Co", false},
    {"privateuse", "Co", false},
    {"han", "Han", true},
    {"hiragana", "Hiragana", true},
    {"katakana", "Katakana", true},
    {"hangul", "Hangul", true},
    {"latin", "Latin", true},
    {"greek", "Greek", true},
    {"cyrillic", "Cyrillic", true},
    {"arabic", "Arabic", true},
    {"hebrew", "Hebrew", true},
    {"thai", "Thai", true},
    {"devanagari", "Devanagari", true},
});

constexpr int kMaxClassDepth = 16;

// A set of characters as text inside [ ], or that set's complement.
struct Set {
  std::string items;
  bool complement = false;
};

// What a class, or one side of an intersection, holds: characters and ranges as text inside [ ], and patterns of one character each.
struct ClassItems {
  std::string plain;
  std::vector<std::string> others;
  [[nodiscard]] bool empty() const { return plain.empty() && others.empty(); }
};

// A pattern of one character that is among the items.
std::string any_of(const ClassItems& items) {
  std::string any = items.plain.empty() ? "" : "[" + items.plain + "]";
  for (const std::string& other : items.others) any += (any.empty() ? "" : "|") + other;
  return items.others.empty() ? any : "(?:" + any + ")";
}

std::string newer_ranges(std::string_view name) {
  std::string out;
  for (const tables::NamedRanges& row : tables::newer) {
    if (row.name != name && !(name.size() == 1 && row.name.size() == 2 && row.name[0] == name[0])) continue;
    for (const tables::Range& r : row.ranges)
      out += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", static_cast<std::uint32_t>(r.first), static_cast<std::uint32_t>(r.last));
  }
  return out;
}

std::string category_items(const Name& row) {
  std::string items;
  if (row.name == "L") items += kLetterHead;
  if (row.name == "N") items += kNumberHead;
  items += row.is_script ? fmt::format("\\p{{sc:{}}}", row.name) : fmt::format("\\p{{{}}}", row.name);
  return items + newer_ranges(row.name);
}

constexpr std::string_view kNumberSigns = R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

std::string word_items(bool in_class) {
  return (in_class ? "" : std::string(kNumberSigns)) +
         "A-Za-z0-9_\\x{aa}\\x{b5}\\x{ba}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{ff}"
         "\\p{L}\\p{M}\\p{Nl}\\p{Nd}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}" +
         newer_ranges("L") + newer_ranges("M") + newer_ranges("Nl") + newer_ranges("Nd");
}

std::string literal(char32_t c) {
  if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return std::string(1, static_cast<char>(c));
  return fmt::format("\\x{{{:x}}}", static_cast<std::uint32_t>(c));
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}
  Result<std::string> run();

 private:
  Status one();
  Status group();
  Status group_options(std::size_t open);
  Status close();
  Result<std::string> char_class(int depth);
  Status class_item(int depth, ClassItems& items);
  Result<std::string> posix_bracket();
  Status escape();
  Status quantifier();
  Result<Set> class_escape(char kind, bool in_class);  // \d \s \w \h \p and their complements, behind the letter
  Result<Set> property();
  Result<std::optional<char32_t>> char_escape();  // behind the backslash; nullopt, nothing read: not a character
  Result<char32_t> hex(std::size_t min_digits, std::size_t max_digits);
  Status add_literal(char32_t c);
  void atom(std::string_view text);
  void no_atom() { atom_ = std::string::npos; }

  [[nodiscard]] bool more() const { return at_ < in_.size(); }
  [[nodiscard]] char peek() const { return at_ < in_.size() ? in_[at_] : '\0'; }
  bool take(std::string_view text) {
    if (!in_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  [[nodiscard]] Status refuse(std::string_view what) const {
    return {StatusCode::unsupported, fmt::format("regex {}: {} at byte {} is not handled", json::quote(in_), what, at_)};
  }
  [[nodiscard]] Status broken(std::string_view what) const {
    return {StatusCode::corrupt, fmt::format("regex {}: {} at byte {}", json::quote(in_), what, at_)};
  }

  struct Group {
    std::size_t start;  // in out_
    bool caseless;      // of what is around it
    bool repeatable;
  };
  std::string_view in_;
  std::size_t at_ = 0;
  std::string out_;
  std::vector<Group> groups_;
  std::size_t atom_ = std::string::npos;  // in out_, of what a quantifier would repeat
  bool caseless_ = false;
  char32_t last_literal_ = 0;  // when the previous construct was one
};

void Translator::atom(std::string_view text) {
  atom_ = out_.size();
  out_ += text;
}

std::string positive_class(const Set& set) { return (set.complement ? "[^" : "[") + set.items + "]"; }

Result<char32_t> Translator::hex(std::size_t min_digits, std::size_t max_digits) {
  char32_t value = 0;
  std::size_t n = 0;
  for (; n < max_digits && more() && hex_value(peek()) >= 0; ++n, ++at_) value = value << 4 | static_cast<char32_t>(hex_value(peek()));
  if (n < min_digits || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return broken("a bad character code");
  return value;
}

Result<std::optional<char32_t>> Translator::char_escape() {
  constexpr std::string_view kLetters = "ntrfvae", kMeanings = "\n\t\r\f\v\a\x1b";
  const char c = peek();
  if (const std::size_t i = kLetters.find(c); i != std::string_view::npos) {
    ++at_;
    return std::optional<char32_t>(static_cast<char32_t>(kMeanings[i]));
  }
  if (take("x{")) {
    JANG_ASSIGN(const char32_t value, hex(1, 8));
    if (!take("}")) return broken("a code point without its brace");
    return std::optional<char32_t>(value);
  }
  if (take("x")) {
    JANG_ASSIGN(const char32_t value, hex(1, 2));
    if (value >= 0x80) return refuse("a byte of a character");
    return std::optional<char32_t>(value);
  }
  if (take("u")) {
    JANG_ASSIGN(const char32_t value, hex(4, 4));
    return std::optional<char32_t>(value);
  }
  const bool special = (c >= '0' && c <= '9') || is_letter(static_cast<unsigned char>(c));
  if (special) return std::optional<char32_t>();
  return std::optional<char32_t>(utf8::next(in_, at_));
}

Result<Set> Translator::property() {
  if (!take("{")) return refuse("\\p without a brace");
  const bool negated = take("^");
  std::string spelling;
  for (; more() && peek() != '}'; ++at_)
    if (const char c = peek(); c != ' ' && c != '-' && c != '_') spelling += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (!take("}")) return broken("a property without its brace");
  for (const Name& row : kClassNames) {
    if (row.spelling != spelling) continue;
    if (caseless_ && row.name.size() == 2 && (row.name == "Lu" || row.name == "Ll" || row.name == "Lt"))
      return refuse("a case property in a caseless group");
    return Set{category_items(row), negated};
  }
  return refuse(fmt::format("the property {}", json::quote(spelling, 32)));
}

Result<Set> Translator::class_escape(char kind, bool in_class) {
  switch (kind) {
    case 'd': return Set{"0-9\\p{Nd}" + newer_ranges("Nd"), false};
    case 'D': return Set{"0-9\\p{Nd}" + newer_ranges("Nd"), true};
    case 's': return Set{std::string(kSpace), false};
    case 'S': return Set{std::string(kNotSpace), false};
    case 'w': return Set{word_items(in_class), false};
    case 'W': return Set{word_items(in_class), true};
    case 'h': return Set{"0-9A-Fa-f", false};
    case 'H': return Set{"0-9A-Fa-f", true};
    default: break;
  }
  JANG_ASSIGN(Set set, property());
  if (kind == 'P') set.complement = !set.complement;
  return set;
}

// Two adjacent letters that fold to a ligature or a sharp s would match it in Oniguruma.
Status Translator::add_literal(char32_t c) {
  const char32_t lower = c < 0x80 ? c | 0x20u : c;
  if (caseless_) {
    if (c >= 0x80) return refuse("a caseless character outside ASCII");
    const bool folds = (last_literal_ == 's' && (lower == 's' || lower == 't')) ||
                       (last_literal_ == 'f' && (lower == 'f' || lower == 'i' || lower == 'l'));
    if (is_letter(c) && folds) return refuse("caseless letters that fold together");
  }
  atom(literal(c));
  last_literal_ = is_letter(c) ? lower : 0;
  return {};
}

Status Translator::escape() {
  if (!more()) return broken("a backslash");
  const char kind = peek();
  if (std::string_view("dDsSwWhHpP").find(kind) != std::string_view::npos) {
    ++at_;
    JANG_ASSIGN(const Set set, class_escape(kind, false));
    last_literal_ = 0;
    atom(positive_class(set));
    return {};
  }
  if (kind == 'A' || kind == 'z' || kind == 'Z' || kind == 'b' || kind == 'B') {
    ++at_;
    last_literal_ = 0;
    const std::string word = "[" + word_items(false) + "]";
    if (kind == 'b')
      out_ += fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word);
    else if (kind == 'B')
      out_ += fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", word);
    else
      out_ += std::string("\\") + kind;
    no_atom();
    return {};
  }
  if (kind == 'R') {
    ++at_;
    last_literal_ = 0;
    atom("\\R");
    return {};
  }
  JANG_ASSIGN(const std::optional<char32_t> c, char_escape());
  return c ? add_literal(*c) : refuse(fmt::format("the escape \\{}", kind));
}

// [:name:], where a class has one.
Result<std::string> Translator::posix_bracket() {
  struct Row {
    std::string_view spelling;
    char escape;  // the escape of the same meaning
  };
  for (const Row& row : {Row{"[:digit:]", 'd'}, Row{"[:space:]", 's'}, Row{"[:word:]", 'w'}, Row{"[:xdigit:]", 'h'}}) {
    if (!take(row.spelling)) continue;
    JANG_ASSIGN(Set set, class_escape(row.escape, true));
    return std::move(set.items);
  }
  return refuse("this bracket name");
}

// One item of a class: a character, a range, an escape, a bracket name or a class of its own.
Status Translator::class_item(int depth, ClassItems& items) {
  const auto no_range_here = [&]() -> Status {
    if (peek() == '-' && !in_.substr(at_).starts_with("-]")) return refuse("a range that starts with a class");
    return {};
  };
  if (in_.substr(at_).starts_with("[:")) {
    JANG_ASSIGN(const std::string set, posix_bracket());
    items.plain += set;
    return no_range_here();
  }
  if (peek() == '[') {
    if (caseless_ && in_.substr(at_).starts_with("[^")) return refuse("a caseless negated class in a class");
    JANG_ASSIGN(std::string inner, char_class(depth + 1));
    items.others.push_back(std::move(inner));
    return no_range_here();
  }
  const auto read_char = [&]() -> Result<std::optional<char32_t>> {
    if (peek() != '\\') return std::optional<char32_t>(utf8::next(in_, at_));
    ++at_;
    if (take("b")) return std::optional<char32_t>(U'\b');
    return char_escape();
  };
  JANG_ASSIGN(const std::optional<char32_t> first, read_char());
  if (!first) {
    const char kind = peek();
    if (std::string_view("dDsSwWhHpP").find(kind) == std::string_view::npos) return refuse(fmt::format("the escape \\{} in a class", kind));
    ++at_;
    JANG_ASSIGN(Set set, class_escape(kind, true));
    if (set.complement)
      items.others.push_back(positive_class(set));
    else
      items.plain += set.items;
    return no_range_here();
  }
  if (caseless_ && *first >= 0x80) return refuse("a caseless character outside ASCII");
  items.plain += literal(*first);
  if (peek() != '-' || in_.substr(at_).starts_with("-]") || at_ + 1 >= in_.size()) return {};
  ++at_;
  if (peek() == '[' || in_.substr(at_).starts_with("&&")) return refuse("a range that ends with a class");
  JANG_ASSIGN(const std::optional<char32_t> last, read_char());
  if (!last) return refuse("a range that ends with a class");
  if (*last < *first) return broken("a range out of order");
  items.plain += "-" + literal(*last);
  return {};
}

// A pattern of one character for the class that starts here.
Result<std::string> Translator::char_class(int depth) {
  if (depth == kMaxClassDepth) return refuse(fmt::format("a class nested deeper than {} levels", kMaxClassDepth));
  ++at_;
  const bool negated = take("^");
  if (peek() == ']') return refuse("a class that starts with ]");
  std::vector<ClassItems> sides(1);  // of an intersection; one where there is none
  while (peek() != ']') {
    if (!more()) return broken("a class without its end");
    if (!take("&&")) {
      JANG_TRY(class_item(depth, sides.back()));
      continue;
    }
    if (caseless_) return refuse("a caseless class intersection");
    if (sides.back().empty() || peek() == ']') return refuse("a class intersection with an empty side");
    sides.emplace_back();
  }
  ++at_;
  if (sides.back().empty()) return refuse("a class intersection with an empty side");
  if (sides.size() == 1 && sides[0].others.empty()) return positive_class({sides[0].plain, negated});
  std::string any;
  for (std::size_t i = 0; i + 1 < sides.size(); ++i) any += "(?=" + any_of(sides[i]) + ")";
  any += any_of(sides.back());
  if (negated) return fmt::format("(?:(?!{})(?s:.))", any);
  return sides.size() == 1 ? any : "(?:" + any + ")";
}

Status Translator::group_options(std::size_t open) {
  bool on = true, dot = false, dot_set = false, caseless = caseless_;
  for (; more() && peek() != ':' && peek() != ')'; ++at_) {
    const char c = peek();
    if (c == '-') {
      on = false;
    } else if (c == 'i') {
      caseless = on;
    } else if (c == 'm') {
      dot = on;
      dot_set = true;
    } else {
      return refuse("the group");
    }
  }
  const bool whole = peek() == ')';
  if (!more() || (whole && open != 0)) return refuse("an option in mid pattern");
  ++at_;
  const std::string options = std::string(caseless ? "i" : "") + (dot_set && dot ? "s" : "");
  const std::string off = std::string(caseless ? "" : "i") + (dot_set && !dot ? "s" : "");
  if (!whole) groups_.push_back({out_.size(), caseless_, true});
  out_ += "(?" + options + (off.empty() ? "" : "-" + off) + (whole ? ")" : ":");
  caseless_ = caseless;
  return {};
}

Status Translator::group() {
  const std::size_t open = at_++;
  no_atom();
  last_literal_ = 0;
  constexpr std::array<std::string_view, 4> kAsserts = {"?=", "?!", "?<=", "?<!"};
  for (const std::string_view kind : kAsserts) {
    if (!take(kind)) continue;
    groups_.push_back({out_.size(), caseless_, false});
    out_ += "(";
    out_ += kind;
    return {};
  }
  if (take("?:") || take("?>")) {
    groups_.push_back({out_.size(), caseless_, true});
    out_ += in_[at_ - 1] == ':' ? "(?:" : "(?>";
    return {};
  }
  if (take("?<")) {  // a named group; nothing refers to it
    while (more() && peek() != '>') ++at_;
    if (!take(">")) return broken("a group name without its end");
  } else if (take("?")) {
    return group_options(open);
  }
  groups_.push_back({out_.size(), caseless_, true});
  out_ += "(?:";
  return {};
}

Status Translator::close() {
  if (groups_.empty()) return broken("a closing parenthesis too many");
  ++at_;
  out_ += ")";
  last_literal_ = 0;
  caseless_ = groups_.back().caseless;
  atom_ = groups_.back().repeatable ? groups_.back().start : std::string::npos;
  groups_.pop_back();
  return {};
}

// * + ? and intervals, each with an optional ? (lazy) or + (possessive; for intervals: again).
Status Translator::quantifier() {
  const std::size_t start = at_;
  std::string text(1, in_[at_++]);
  const bool interval = text == "{";
  bool exact = false;
  if (interval) {
    const auto number = [&] {
      std::string digits;
      while (peek() >= '0' && peek() <= '9' && digits.size() < 6) digits += in_[at_++];
      return digits;
    };
    const std::string low = number();
    const bool comma = take(",");
    const std::string high = comma ? number() : "";
    if ((low.empty() && high.empty()) || !take("}")) {  // not an interval: a brace
      at_ = start + 1;
      return add_literal('{');
    }
    exact = !comma;
    text = fmt::format("{{{}{}{}}}", low.empty() ? "0" : low, comma ? "," : "", high);
  }
  if (atom_ == std::string::npos) return broken("nothing to repeat");
  out_ += text;
  if (interval && exact && peek() == '?') return refuse("{n}?");
  if (interval && peek() == '+') {
    ++at_;
    out_.insert(atom_, "(?:");
    out_ += ")+";
  } else if (peek() == '?' || peek() == '+') {
    out_ += in_[at_++];
  }
  if (peek() == '*' || peek() == '+' || peek() == '?') return refuse("a repeated repetition");
  no_atom();
  last_literal_ = 0;
  return {};
}

Status Translator::one() {
  switch (peek()) {
    case '\\': ++at_; return escape();
    case '[': {
      last_literal_ = 0;
      JANG_ASSIGN(const std::string one_character, char_class(0));
      atom(one_character);
      return {};
    }
    case '(': return group();
    case ')': return close();
    case '*':
    case '+':
    case '?':
    case '{': return quantifier();
    case '^':
    case '$':
    case '|':
      out_ += in_[at_++];
      no_atom();
      last_literal_ = 0;
      return {};
    case '.':
      ++at_;
      last_literal_ = 0;
      atom(".");
      return {};
    default: return add_literal(utf8::next(in_, at_));
  }
}

Result<std::string> Translator::run() {
  if (!utf8::is_valid(in_)) return broken("invalid UTF-8");
  while (more()) {
    JANG_TRY(one());
    if (out_.size() > (std::size_t{1} << 20)) return refuse("an expansion beyond 1 MiB");
  }
  if (!groups_.empty()) return broken("a parenthesis without its end");
  return std::move(out_);
}

}  // namespace

Result<std::string> translate_pattern(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace jang::text
