// SPDX-License-Identifier: Apache-2.0
// One pass without branches over every row; what is wrong with a bad one is looked up afterwards.
#include "engine/check_logits.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "kernels/host_ops.h"

namespace jang::engine {
namespace {

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
    if (!kernels::usable_logits(logits.data() + at, vocab)) return describe(logits.subspan(at, width));
  return {};
}

}  // namespace jang::engine
