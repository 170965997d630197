// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer/section.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace jang::text {
namespace {

constexpr int kDeepestSequence = 8, kMaxComponents = 64;

Status visit_component(const json::Value& component, std::string_view list, const VisitComponent& visit, int depth, int& n_components) {
  if (!component.is_object()) return {StatusCode::corrupt, "a component is not an object"};
  JANG_ASSIGN(const std::string type, json::get_string(component, "type", ""));
  if (type.empty()) return {StatusCode::corrupt, "a component has no type"};
  if (type != "Sequence") {
    if (++n_components > kMaxComponents) return {StatusCode::unsupported, fmt::format("more than {} components", kMaxComponents)};
    return visit(component, type).with_context(type);
  }
  if (depth == kDeepestSequence) return {StatusCode::unsupported, fmt::format("sequences nested deeper than {} levels", kDeepestSequence)};
  const json::Value* items = json::find(component, list);
  if (items == nullptr || !items->is_array()) return {StatusCode::corrupt, fmt::format("a Sequence has no array {}", list)};
  for (const json::Value& item : *items) JANG_TRY(visit_component(item, list, visit, depth + 1, n_components));
  return {};
}

}  // namespace

Status for_each_component(const json::Value& section, std::string_view list, const VisitComponent& visit) {
  if (section.is_null()) return {};
  int n_components = 0;
  return visit_component(section, list, visit, 0, n_components);
}

Status unknown_component(std::string_view type) {
  return {StatusCode::unsupported, fmt::format("components of type {} are not handled", json::quote(type, 64))};
}

Result<char32_t> get_character(const json::Value& component, std::string_view key) {
  JANG_ASSIGN(const std::string text, json::get_string(component, key, ""));
  const char32_t c = utf8::single(text);
  if (c == 0) return Status(StatusCode::corrupt, fmt::format("{} must be one character, not {}", key, json::quote(text, 32)));
  return c;
}

Result<PatternText> get_pattern(const json::Value& component) {
  const json::Value* pattern = json::find(component, "pattern");
  if (pattern != nullptr && pattern->is_object() && pattern->size() == 1) {
    for (const std::string_view kind : {"String", "Regex"})
      if (const json::Value* text = json::find(*pattern, kind); text != nullptr && text->is_string())
        return PatternText{text->get<std::string>(), kind == "Regex"};
  }
  return Status(StatusCode::corrupt, R"(pattern must be {"String": text} or {"Regex": text})");
}

}  // namespace jang::text
