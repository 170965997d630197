// SPDX-License-Identifier: Apache-2.0
// One pass without branches over every row; what is wrong with a bad one is looked up afterwards.
#include "engine/check_logits.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace jang::engine {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();

bool is_good(const float* row, std::int64_t n) {
  int bad = 0, possible = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    bad |= static_cast<int>(!(row[i] <= kLargest));  // NaN compares false
    possible |= static_cast<int>(row[i] >= -kLargest);
  }
  return bad == 0 && possible != 0;
}

Status describe(std::span<const float> row) {
  const auto n_nan = std::ranges::count_if(row, [](float x) { return std::isnan(x); });
  if (n_nan > 0) return {StatusCode::corrupt, fmt::format("{} of the {} logits of a token are NaN", n_nan, row.size())};
  const auto n_infinite = std::ranges::count(row, std::numeric_limits<float>::infinity());
  if (n_infinite > 0) return {StatusCode::corrupt, fmt::format("{} of the {} logits of a token are +infinity", n_infinite, row.size())};
  return {StatusCode::corrupt, fmt::format("all {} logits of a token are -infinity: the model rules out every token", row.size())};
}

}  // namespace

Status check_logits(std::span<const float> logits, std::int64_t vocab) {
  const auto width = static_cast<std::size_t>(vocab);
  for (std::size_t at = 0; width > 0 && at + width <= logits.size(); at += width)
    if (!is_good(logits.data() + at, vocab)) return describe(logits.subspan(at, width));
  return {};
}

}  // namespace jang::engine
