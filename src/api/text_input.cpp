// SPDX-License-Identifier: Apache-2.0
// See the header; read_text_input itself is base's.
#include "jang/text_input.h"

#include "json/json.h"
#include "plan/names.h"

namespace jang {

Result<std::string> normalize_json(std::string_view text, std::string_view what, std::size_t max_bytes) {
  JANG_ASSIGN(const json::Value value, json::parse(text, what, {.max_bytes = max_bytes, .dialect = json::Dialect::python}));
  return json::dump(value);
}

std::string quote(std::string_view text, std::size_t max_bytes) { return json::quote(text, max_bytes); }

std::string nearest_hint(std::string_view typed, std::span<const std::string_view> candidates) {
  return plan::nearest_hint(typed, candidates);
}

}  // namespace jang
