// SPDX-License-Identifier: Apache-2.0
// Reading of one section of tokenizer.json ("normalizer", "decoder", ..): members of components with the errors a reader wants, and
// sequences of components flattened, bounded in number and nesting.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "jang/status.h"
#include "json/json.h"

namespace jang::text {

// visit(component, type) for every component of a section, those of a "Sequence" in order of `list`'s array. A null section has none.
// Errors: corrupt, those of visit with the component named.
using VisitComponent = std::function<Status(const json::Value& component, const std::string& type)>;
Status for_each_component(const json::Value& section, std::string_view list, const VisitComponent& visit);

[[nodiscard]] Status unknown_component(std::string_view type);

// A member that is exactly one character. Errors: corrupt.
[[nodiscard]] Result<char32_t> get_character(const json::Value& component, std::string_view key);

// {"String": ".."} or {"Regex": ".."} under "pattern".
struct PatternText {
  std::string text;
  bool is_regex = false;
};
[[nodiscard]] Result<PatternText> get_pattern(const json::Value& component);

}  // namespace jang::text
