// SPDX-License-Identifier: Apache-2.0
// Lookup over the tables of filters.
#include "text/jinja/filters/filters.h"

#include <fmt/format.h>

#include "text/jinja/filters/number_filters.h"
#include "text/jinja/filters/selection_filters.h"
#include "text/jinja/filters/sequence_filters.h"
#include "text/jinja/filters/text_filters.h"
#include "text/jinja/runtime/print.h"
#include "text/jinja/runtime/refused.h"

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

}  // namespace jang::text::jinja
