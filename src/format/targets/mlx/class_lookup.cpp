// SPDX-License-Identifier: Apache-2.0
// Looking names up in the table of mlx-lm's classes. See class_lookup.h.
#include "format/targets/mlx/class_lookup.h"

#include <algorithm>

#include "arch/path.h"

namespace jang::targets::mlx {
namespace {

using arch::component_number;
using arch::ends_with_path;
using arch::split_path;
using arch::starts_with_path;

// True when `component` is one of the comma-separated words between braces.
bool is_one_of(std::string_view braces, std::string_view component) {
  std::string_view words = braces.substr(1, braces.size() - 2);
  while (true) {
    const std::size_t comma = words.find(',');
    if (words.substr(0, comma) == component) return true;
    if (comma == std::string_view::npos) return false;
    words.remove_prefix(comma + 1);
  }
}

// The pattern's next component, which may hold dots only outside braces.
std::string_view next_component(std::string_view* pattern) {
  const std::size_t dot = pattern->find('.');
  const std::string_view component = pattern->substr(0, dot);
  pattern->remove_prefix(dot == std::string_view::npos ? pattern->size() : dot + 1);
  return component;
}

bool any_fits(std::span<const std::string_view> patterns, std::span<const std::string_view> path) {
  return std::ranges::any_of(patterns, [&](std::string_view p) { return fits_pattern(p, path); });
}

std::string fill_stars(std::string_view pattern, std::span<const int> numbers) {
  std::string out;
  std::size_t next = 0;
  for (const char c : pattern) {
    if (c == '*' && next < numbers.size())
      out += std::to_string(numbers[next++]);
    else
      out += c;
  }
  return out;
}

}  // namespace

const ModelClass* find_class(std::string_view model_type, bool has_experts) {
  for (const ClassAlias& alias : class_aliases())
    if (alias.model_type == model_type) model_type = alias.name;
  const auto named = [](std::string_view name) {
    const auto found = std::ranges::find(model_classes(), name, &ModelClass::name);
    return found == model_classes().end() ? nullptr : &*found;
  };
  const ModelClass* dense = has_experts ? nullptr : named(std::string(model_type) + ":dense");
  return dense != nullptr ? dense : named(model_type);
}

bool fits_pattern(std::string_view pattern, std::span<const std::string_view> path, std::vector<int>* numbers) {
  if (numbers != nullptr) numbers->clear();
  for (const std::string_view component : path) {
    if (pattern.empty()) return false;
    const std::string_view wanted = next_component(&pattern);
    if (wanted == "*") {
      const int number = component_number(component);
      if (number < 0) return false;
      if (numbers != nullptr) numbers->push_back(number);
    } else if (wanted.starts_with('{') ? !is_one_of(wanted, component) : wanted != component) {
      return false;
    }
  }
  return pattern.empty();
}

Place place_of(const ModelClass& model_class, std::string_view name) {
  Place place;
  const std::vector<std::string_view> path = split_path(name);
  std::vector<int> numbers;
  for (const ClassRow& row : model_class.rows) {
    if (!fits_pattern(row.source, path, &numbers)) continue;
    place.kind = Place::Kind::moved;
    const bool stacks = row.layout == LayoutRule::stack_experts && !numbers.empty();
    place.moves.push_back({fill_stars(row.out, numbers), row.layout, stacks ? numbers.back() : -1});
  }
  if (!place.moves.empty()) return place;
  const std::span<const std::string_view> module(path.data(), path.size() - 1);
  if (path.back() == "weight" && any_fits(model_class.modules, module))
    place.kind = Place::Kind::module;
  else if (any_fits(model_class.plain, path))
    place.kind = Place::Kind::plain;
  else if (std::ranges::any_of(model_class.drops, [&](std::string_view d) { return starts_with_path(name, d) || ends_with_path(name, d); }))
    place.kind = Place::Kind::dropped;
  return place;
}

}  // namespace jang::targets::mlx
