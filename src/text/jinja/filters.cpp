// SPDX-License-Identifier: Apache-2.0
// Lookup, and the names of jinja's filters that are not offered: they make no sense in a chat (urlize, xmlattr), or are not deterministic
// (random).
#include "text/jinja/filters.h"

#include <algorithm>
#include <array>

#include "text/jinja/strings.h"

namespace jang::text::jinja {
namespace {

constexpr std::array<std::string_view, 8> kNotOffered = {"filesizeformat", "pprint", "random",   "striptags",
                                                         "urlencode",      "urlize", "wordwrap", "xmlattr"};

}  // namespace

const Builtin* find_filter(std::string_view name) {
  for (const auto table : {text_filters(), number_filters(), sequence_filters(), selection_filters()})
    for (const Builtin& row : table)
      if (row.name == name) return &row;
  return nullptr;
}

bool is_known_filter(std::string_view name) { return std::find(kNotOffered.begin(), kNotOffered.end(), name) != kNotOffered.end(); }

Result<Value> ignore_case(Runtime& runtime, const Value& value) {
  if (!value.is(Kind::string)) return value;
  return runtime.string(to_lower(value.text()));
}

}  // namespace jang::text::jinja
