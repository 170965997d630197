// SPDX-License-Identifier: Apache-2.0
// Dotted tensor paths, compared component by component. See path.h.
#include "arch/path.h"

#include <algorithm>
#include <utility>

namespace jang::arch {

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t dot = path.find('.', begin);
    parts.push_back(path.substr(begin, dot == std::string_view::npos ? dot : dot - begin));
    if (dot == std::string_view::npos) return parts;
    begin = dot + 1;
  }
}

bool starts_with_path(std::string_view path, std::string_view prefix) {
  if (prefix.empty() || !path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || path[prefix.size()] == '.';
}

bool ends_with_path(std::string_view path, std::string_view suffix) {
  if (suffix.empty() || !path.ends_with(suffix)) return false;
  return path.size() == suffix.size() || path[path.size() - suffix.size() - 1] == '.';
}

void replace_path(std::string* path, std::string_view from, std::string_view to) {
  for (std::size_t at = path->find(from); at != std::string::npos; at = path->find(from, at + 1)) {
    const std::size_t end = at + from.size();
    if ((at > 0 && (*path)[at - 1] != '.') || (end < path->size() && (*path)[end] != '.')) continue;
    path->replace(at, from.size(), to);
    return;
  }
}

int component_number(std::string_view component) {
  if (component.empty() || component.size() > 9) return -1;
  if (!std::all_of(component.begin(), component.end(), [](char c) { return c >= '0' && c <= '9'; })) return -1;
  int value = 0;
  for (const char c : component) value = value * 10 + (c - '0');
  return value;
}

std::string expand(std::string_view pattern, int layer, int expert) {
  std::string out;
  out.reserve(pattern.size() + 8);
  int next = layer, after = expert;
  for (const char c : pattern) {
    if (c == '*' && next >= 0)
      out += std::to_string(next);
    else
      out += c;
    if (c == '*') next = std::exchange(after, -1);
  }
  return out;
}

std::string_view module_of(std::string_view name) {
  constexpr std::string_view kWeight = ".weight";
  if (name.ends_with(kWeight)) name.remove_suffix(kWeight.size());
  return name;
}

}  // namespace jang::arch
