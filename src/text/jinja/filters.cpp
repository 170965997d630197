// SPDX-License-Identifier: Apache-2.0
// Lookup.
#include "text/jinja/filters.h"

#include <fmt/format.h>

#include "text/jinja/refused.h"
#include "text/jinja/strings.h"

namespace jang::text::jinja {

const Builtin* find_filter(std::string_view name) {
  for (const auto table : {text_filters(), number_filters(), sequence_filters(), selection_filters()})
    for (const Builtin& row : table)
      if (row.name == name) return &row;
  return nullptr;
}

Status no_such_filter(std::string_view name) {
  JANG_TRY(check_offered(Feature::filter, name));
  return template_error(fmt::format("there is no filter {}", in_quotes(name)));
}

Result<Value> ignore_case(Runtime& runtime, const Value& value) {
  if (!value.is(Kind::string)) return value;
  return runtime.string(to_lower(value.text()));
}

}  // namespace jang::text::jinja
