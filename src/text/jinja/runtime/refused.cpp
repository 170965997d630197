// SPDX-License-Identifier: Apache-2.0
// The names, one row a feature.
#include "text/jinja/runtime/refused.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace jang::text::jinja {
namespace {

struct Row {
  Feature feature;
  std::string_view noun;   // for the message
  std::string_view names;  // separated by blanks
};
constexpr auto kRows = std::to_array<Row>({
    {Feature::filter, "filter",
     "attr batch center filesizeformat forceescape format groupby pprint random round slice striptags truncate urlencode urlize wordcount "
     "wordwrap xmlattr"},
    {Feature::test, "test", "escaped filter lower test upper"},
    {Feature::function, "function", "cycler joiner lipsum"},
    {Feature::string_method, "str method",
     "casefold center encode expandtabs format_map index isascii isdecimal isidentifier islower isnumeric isprintable istitle isupper "
     "ljust "
     "maketrans partition rindex rjust rpartition swapcase translate zfill"},
    {Feature::list_method, "list method", "copy count index"},
    {Feature::tuple_method, "tuple method", "count index"},
    {Feature::dict_method, "dict method", "copy fromkeys"},
    {Feature::loop_method, "loop method", "changed"},
    {Feature::tag, "tag", "autoescape block call debug do extends from import include print trans"},
});

bool lists(std::string_view names, std::string_view name) {
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find(' ', at), names.size());
    if (names.substr(at, end - at) == name) return true;
    at = end + 1;
  }
  return false;
}

}  // namespace

Status not_supported(std::string_view what) {
  return {StatusCode::unsupported, fmt::format("{} is not supported in chat templates", what)};
}

Status check_offered(Feature feature, std::string_view name) {
  for (const Row& row : kRows)
    if (row.feature == feature && lists(row.names, name)) return not_supported(fmt::format("{} '{}'", row.noun, name));
  return {};
}

}  // namespace jang::text::jinja
