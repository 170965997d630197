// SPDX-License-Identifier: Apache-2.0
// str's methods, less those that refused.cpp names.
#include "text/jinja/library/string_methods.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "text/jinja/library/format.h"
#include "text/jinja/library/parameters.h"
#include "text/jinja/runtime/characters.h"
#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/strings.h"

namespace jang::text::jinja {
namespace {

template <Text (*operation)(const Text&)>
Result<Value> simple_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("a string method", arguments));
  return runtime.string(operation(self.text()), self.is_markup());
}

template <bool (*operation)(const Text&)>
Result<Value> question(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("a string method", arguments));
  JANG_TRY(runtime.charge_bytes(self.text().size()));
  return Value::boolean(operation(self.text()));
}

template <bool (*is_of_class)(char32_t)>
bool all_are(const Text& text) {
  return all_of(text, is_of_class);
}

bool is_alnum(char32_t c) { return is_alpha(c) || is_digit_like(c) || is_numeric(c); }
template <Side side>
Result<Value> strip_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("strip", arguments, std::array<std::string_view, 1>{"chars"}));
  if (!p.has_value(0)) return runtime.string(strip(self.text(), side, nullptr), self.is_markup());
  JANG_ASSIGN(const Text* characters, p.text(0));
  JANG_TRY(runtime.charge_bytes(self.text().size() * (1 + characters->size() / 8)));
  return runtime.string(strip(self.text(), side, characters), self.is_markup());
}

Result<Value> parts_of(Runtime& runtime, const Value& self, const std::vector<Span>& spans) {
  JANG_TRY(runtime.charge(4 * spans.size()));
  Values out;
  out.reserve(spans.size());
  for (const Span& span : spans) {
    JANG_ASSIGN(Value part, runtime.string(self.text().slice(span.begin, span.end), self.is_markup()));
    out.push_back(std::move(part));
  }
  return runtime.list(std::move(out));
}

template <bool from_right>
Result<Value> split_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("split", arguments, std::array<std::string_view, 2>{"sep", "maxsplit"}));
  JANG_ASSIGN(const std::int64_t limit, p.integer(1, -1));
  JANG_TRY(runtime.charge(self.text().size() / 8));  // there may be as many parts as characters
  if (!p.has_value(0)) return parts_of(runtime, self, from_right ? rsplit_space(self.text(), limit) : split_space(self.text(), limit));
  JANG_ASSIGN(const Text* separator, p.text(0));
  if (separator->size() == 0) return template_error("empty separator");
  JANG_TRY(runtime.charge(4 * static_cast<std::uint64_t>(count_occurrences(self.bytes(), separator->bytes()))));
  const auto split = from_right ? rsplit_by : split_by;
  return parts_of(runtime, self, split(self.text(), separator->bytes(), limit));
}

Result<Value> splitlines(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("splitlines", arguments, std::array<std::string_view, 1>{"keepends"}));
  JANG_TRY(runtime.charge(self.text().size() / 8));
  return parts_of(runtime, self, split_lines(self.text(), p.flag(0, false)));
}

// Python's optional [start, end) of find() and its relatives, in bytes; an impossible one has begin > end.
Result<Span> search_range(Runtime& runtime, const Text& text, const Parameters& p, std::size_t first) {
  const auto n = static_cast<std::int64_t>(text.length());
  JANG_ASSIGN(std::int64_t begin, p.integer_or_none(first, 0));
  JANG_ASSIGN(std::int64_t end, p.integer_or_none(first + 1, n));
  if (!text.is_ascii()) JANG_TRY(runtime.charge_bytes(text.size()));
  end = std::min(end < 0 ? std::max<std::int64_t>(end + n, 0) : end, n);
  begin = begin < 0 ? std::max<std::int64_t>(begin + n, 0) : begin;
  if (begin > end) return Span{1, 0};
  return Span{text.byte_of(static_cast<std::size_t>(begin)), text.byte_of(static_cast<std::size_t>(end))};
}

constexpr std::array<std::string_view, 3> kSearch = {"sub", "start", "end"};

// Index in code points, -1 when there is none.
template <bool from_right>
Result<Value> find_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("find", arguments, kSearch));
  JANG_ASSIGN(const Text* part, p.text(0));
  const Text& text = self.text();
  JANG_TRY(runtime.charge_bytes(2 * text.size()));
  JANG_ASSIGN(const Span range, search_range(runtime, text, p, 1));
  if (range.begin > range.end) return Value::integer(-1);
  const std::string_view inside = std::string_view(text.bytes()).substr(range.begin, range.end - range.begin);
  const std::size_t at = from_right ? find_last_bytes(inside, part->bytes()) : find_bytes(inside, part->bytes());
  if (at == std::string_view::npos) return Value::integer(-1);
  return Value::integer(static_cast<std::int64_t>(text.index_of(range.begin + at)));
}

Result<Value> count_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("count", arguments, kSearch));
  JANG_ASSIGN(const Text* part, p.text(0));
  const Text& text = self.text();
  JANG_TRY(runtime.charge_bytes(text.size()));
  JANG_ASSIGN(const Span range, search_range(runtime, text, p, 1));
  if (range.begin > range.end) return Value::integer(0);
  const std::string_view inside = std::string_view(text.bytes()).substr(range.begin, range.end - range.begin);
  if (part->size() == 0) return Value::integer(static_cast<std::int64_t>(Text(inside).length()) + 1);
  return Value::integer(count_occurrences(inside, part->bytes()));
}

template <bool at_end>
Result<Value> starts_or_ends(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p,
              Parameters::bind(at_end ? "endswith" : "startswith", arguments, std::array<std::string_view, 3>{"prefix", "start", "end"}));
  JANG_ASSIGN(const Value wanted, p.required(0));
  JANG_ASSIGN(const Span range, search_range(runtime, self.text(), p, 1));
  const Values single = {wanted};
  for (const Value& candidate : wanted.is(Kind::tuple) ? wanted.items() : single) {
    if (!candidate.is(Kind::string))
      return template_error(fmt::format("startswith and endswith take a str or a tuple of str, not {}", type_name(candidate)));
    JANG_TRY(runtime.charge(1));
    JANG_TRY(runtime.charge_bytes(candidate.text().size()));
    if (range.begin > range.end) continue;
    const std::string_view inside = std::string_view(self.bytes()).substr(range.begin, range.end - range.begin);
    if (at_end ? inside.ends_with(candidate.bytes()) : inside.starts_with(candidate.bytes())) return Value::boolean(true);
  }
  return Value::boolean(false);
}

template <bool at_end>
Result<Value> remove_affix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("removeprefix", arguments, std::array<std::string_view, 1>{"prefix"}));
  JANG_ASSIGN(const Text* affix, p.text(0));
  const Text& text = self.text();
  const std::size_t n = affix->size();
  if (!at_end && text.bytes().starts_with(affix->bytes())) return runtime.string(text.slice(n, text.size()), self.is_markup());
  if (at_end && text.bytes().ends_with(affix->bytes())) return runtime.string(text.slice(0, text.size() - n), self.is_markup());
  return self;
}

Result<Value> replace_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("replace", arguments, std::array<std::string_view, 3>{"old", "new", "count"}));
  JANG_ASSIGN(const Text* from, p.text(0));
  JANG_ASSIGN(const Text* to, p.text(1));
  JANG_ASSIGN(const std::int64_t limit, p.integer(2, -1));
  JANG_ASSIGN(Text out, replace(runtime, self.text(), *from, *to, limit));
  return runtime.string(std::move(out), self.is_markup());
}

Result<Value> join_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("join", arguments, std::array<std::string_view, 1>{"iterable"}));
  JANG_ASSIGN(const Value sequence, p.required(0));
  JANG_ASSIGN(const Values items, iterate(runtime, sequence));
  std::vector<Text> parts;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is(Kind::string))
      return template_error(fmt::format("sequence item {}: expected str instance, {} found", i, type_name(items[i])));
    JANG_TRY(runtime.charge_bytes(items[i].text().size()));
    parts.push_back(items[i].text());
  }
  JANG_ASSIGN(Text out, join(runtime, self.text(), parts));
  return runtime.string(std::move(out), self.is_markup());
}

Result<Value> format_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return format_braces(runtime, self.text(), arguments);
}

constexpr auto kMethods = std::to_array<Builtin>({
    {"capitalize", simple_method<capitalize>},
    {"count", count_method},
    {"endswith", starts_or_ends<true>},
    {"find", find_method<false>},
    {"format", format_method},
    {"isalnum", question<all_are<is_alnum>>},
    {"isalpha", question<all_are<is_alpha>>},
    {"isdigit", question<all_are<is_digit_like>>},
    {"isspace", question<all_are<is_space>>},
    {"join", join_method},
    {"lower", simple_method<to_lower>},
    {"lstrip", strip_method<Side::left>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"replace", replace_method},
    {"rfind", find_method<true>},
    {"rsplit", split_method<true>},
    {"rstrip", strip_method<Side::right>},
    {"split", split_method<false>},
    {"splitlines", splitlines},
    {"startswith", starts_or_ends<false>},
    {"strip", strip_method<Side::both>},
    {"title", simple_method<title_method>},
    {"upper", simple_method<to_upper>},
});

}  // namespace

const Builtin* find_string_method(std::string_view name) {
  const auto at = std::find_if(kMethods.begin(), kMethods.end(), [&](const Builtin& b) { return b.name == name; });
  return at == kMethods.end() ? nullptr : &*at;
}

}  // namespace jang::text::jinja
