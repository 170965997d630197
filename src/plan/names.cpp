// SPDX-License-Identifier: Apache-2.0
// Edit distance (optimal string alignment) over three rolling rows.
#include "plan/names.h"

#include <algorithm>
#include <array>

namespace jang::plan {
namespace {

constexpr std::size_t kLongestName = 96;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int distance_to_tail(std::string_view typed, std::string_view candidate) {
  int best = edit_distance(typed, candidate);
  for (std::size_t dot = candidate.find('.'); dot != std::string_view::npos; dot = candidate.find('.', dot + 1))
    best = std::min(best, edit_distance(typed, candidate.substr(dot + 1)));
  return best;
}

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kLongestName);
  b = b.substr(0, kLongestName);
  std::array<int, kLongestName + 1> before{}, previous{}, current{};
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int replace = previous[j - 1] + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replace});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        current[j] = std::min(current[j], before[j - 2] + 1);
    }
    before = previous;
    previous = current;
  }
  return previous[b.size()];
}

std::string nearest_hint(std::string_view typed, std::span<const std::string_view> candidates) {
  int best = std::max(2, static_cast<int>(typed.size()) / 3) + 1;
  std::string_view found;
  for (const std::string_view candidate : candidates) {
    const int distance = distance_to_tail(typed, candidate);
    if (distance >= best || distance >= static_cast<int>(typed.size())) continue;  // as many edits as letters: nothing in common
    best = distance;
    found = candidate;
  }
  return found.empty() ? "" : "; did you mean '" + std::string(found) + "'?";
}

}  // namespace jang::plan
