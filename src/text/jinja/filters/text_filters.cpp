// SPDX-License-Identifier: Apache-2.0
// Filters that make text. They take any value and print it first, as jinja's do.
#include "text/jinja/filters/text_filters.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "text/jinja/library/access.h"
#include "text/jinja/library/parameters.h"
#include "text/jinja/library/to_json.h"
#include "text/jinja/runtime/operations.h"
#include "text/jinja/runtime/print.h"
#include "text/jinja/runtime/strings.h"

namespace jang::text::jinja {
namespace {

template <Text (*operation)(const Text&)>
Result<Value> simple_filter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("a filter", arguments));
  JANG_ASSIGN(const Text text, to_text(runtime, self));
  return runtime.string(operation(text), self.is_markup());
}

Result<Value> string_filter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("string", arguments));
  if (self.is(Kind::string)) return self;
  JANG_ASSIGN(Text text, to_text(runtime, self));
  return runtime.string(std::move(text));
}

Result<Value> trim(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("trim", arguments, std::array<std::string_view, 1>{"chars"}));
  JANG_ASSIGN(const Text text, to_text(runtime, self));
  if (!p.has_value(0)) return runtime.string(strip(text, Side::both, nullptr), self.is_markup());
  JANG_ASSIGN(const Text* characters, p.text(0));
  JANG_TRY(runtime.charge_bytes(text.size() * (1 + characters->size() / 8)));
  return runtime.string(strip(text, Side::both, characters), self.is_markup());
}

Result<Value> replace_filter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("replace", arguments, std::array<std::string_view, 3>{"old", "new", "count"}));
  JANG_ASSIGN(const Value old_value, p.required(0));
  JANG_ASSIGN(const Value new_value, p.required(1));
  JANG_ASSIGN(const Text text, to_text(runtime, self));
  JANG_ASSIGN(const Text from, to_text(runtime, old_value));
  JANG_ASSIGN(const Text to, to_text(runtime, new_value));
  JANG_ASSIGN(const std::int64_t limit, p.integer_or_none(2, -1));
  JANG_ASSIGN(Text out, replace(runtime, text, from, to, limit));
  return runtime.string(std::move(out));
}

Result<Value> join_filter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("join", arguments, std::array<std::string_view, 2>{"d", "attribute"}));
  Text separator;
  if (p.has(0)) {
    JANG_ASSIGN(separator, to_text(runtime, p[0]));
  }
  JANG_ASSIGN(const Values items, iterate(runtime, self));
  std::vector<Text> parts;
  parts.reserve(items.size());
  for (const Value& item : items) {
    JANG_ASSIGN(const Value value, p.has_value(1) ? get_path(runtime, item, p[1]) : item);
    JANG_ASSIGN(Text part, to_text(runtime, value));
    parts.push_back(std::move(part));
  }
  JANG_ASSIGN(Text out, join(runtime, separator, parts));
  return runtime.string(std::move(out));
}

Result<Value> indent_filter(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p, Parameters::bind("indent", arguments, std::array<std::string_view, 3>{"width", "first", "blank"}));
  if (!self.is(Kind::string))
    return self.is(Kind::undefined) ? undefined_error(self) : template_error(fmt::format("indent takes a str, not {}", type_name(self)));
  Text indention("    ");
  if (p.has(0) && p[0].is(Kind::string)) {
    indention = p[0].text();
  } else if (p.has(0)) {
    JANG_ASSIGN(const std::int64_t width, p.integer(0, 4));
    const auto n = static_cast<std::uint64_t>(std::max<std::int64_t>(width, 0));
    JANG_TRY(Runtime::check_string_size(n));
    indention = Text(std::string(n, ' '));
  }
  JANG_ASSIGN(Text out, indent(runtime, self.text(), indention, p.flag(1, false), p.flag(2, false)));
  return runtime.string(std::move(out), self.is_markup());
}

Result<Value> escape(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("escape", arguments));
  if (self.is_markup()) return self;
  JANG_ASSIGN(const Text text, to_text(runtime, self));
  return runtime.string(escape_html(text), true);
}

Result<Value> safe(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_TRY(Parameters::none("safe", arguments));
  JANG_ASSIGN(Text text, to_text(runtime, self));
  return runtime.string(std::move(text), true);
}

Result<Text> separator_of(Runtime& runtime, const Value& pair, std::size_t i) {
  JANG_ASSIGN(const Values two, iterate(runtime, pair));
  if (two.size() != 2 || !two[i].is(Kind::string)) return template_error("tojson: separators are two strings");
  return two[i].text();
}

Result<Value> tojson(Runtime& runtime, const Value& self, const Arguments& arguments) {
  JANG_ASSIGN(const Parameters p,
              Parameters::bind("tojson", arguments, std::array<std::string_view, 4>{"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ascii = p.flag(0, false);
  style.sorted = p.flag(3, false);
  style.indented = p.has_value(1);
  if (style.indented) style.item_separator = Text(",");
  if (style.indented && p[1].is(Kind::string)) {
    style.indent = p[1].bytes();
  } else if (style.indented) {
    JANG_ASSIGN(const std::int64_t width, p.integer(1, 0));
    const auto n = static_cast<std::uint64_t>(std::max<std::int64_t>(width, 0));
    JANG_TRY(Runtime::check_string_size(n));
    style.indent = std::string(n, ' ');
  }
  if (p.has_value(2)) {
    JANG_ASSIGN(style.item_separator, separator_of(runtime, p[2], 0));
    JANG_ASSIGN(style.key_separator, separator_of(runtime, p[2], 1));
  }
  Text out;
  JANG_TRY(print_json(runtime, self, style, out));
  return runtime.string(std::move(out));
}

constexpr auto kTextFilters = std::to_array<Builtin>({
    {"string", string_filter},
    {"upper", simple_filter<to_upper>},
    {"lower", simple_filter<to_lower>},
    {"capitalize", simple_filter<capitalize>},
    {"title", simple_filter<title_filter>},
    {"trim", trim},
    {"replace", replace_filter},
    {"join", join_filter},
    {"indent", indent_filter},
    {"escape", escape},
    {"e", escape},
    {"safe", safe},
    {"tojson", tojson},
});

}  // namespace

std::span<const Builtin> text_filters() { return kTextFilters; }

}  // namespace jang::text::jinja
