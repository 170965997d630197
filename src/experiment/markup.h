// SPDX-License-Identifier: Apache-2.0
// Text into HTML and SVG. Everything that comes from outside (names of models, recipes, files, subjects) passes through here.
#pragma once

#include <string>
#include <string_view>

#include "json/json.h"

namespace jang::experiment {

// Safe as element content and inside quoted attributes; control characters that no markup may hold become U+FFFD.
[[nodiscard]] std::string escape_markup(std::string_view text);

// A JSON document for a <script type="application/json">: no byte sequence in it can close the element or open a comment.
[[nodiscard]] std::string embedded_json(const json::Value& value);

}  // namespace jang::experiment
