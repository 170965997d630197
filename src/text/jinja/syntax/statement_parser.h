// SPDX-License-Identifier: Apache-2.0
// Statements, the {% %} tags, and with them whole templates.
#pragma once

#include <string_view>

#include "text/jinja/syntax/tree.h"

namespace jang::text::jinja {

// Errors: corrupt (syntax, with line), unsupported (a construct or filter), invalid_argument (nesting).
[[nodiscard]] Result<Template> parse_template(std::string_view source);

}  // namespace jang::text::jinja
