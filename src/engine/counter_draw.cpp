// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "engine/counter_draw.h"

#include <cmath>
#include <cstddef>

namespace jang::engine {

std::uint64_t mix_bits(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::uint64_t counter_bits(std::uint64_t seed, std::int64_t stream, std::int64_t position) {
  return mix_bits(seed ^ mix_bits(static_cast<std::uint64_t>(stream) ^ mix_bits(static_cast<std::uint64_t>(position))));
}

double counter_uniform(std::uint64_t seed, std::int64_t stream, std::int64_t position) {
  return static_cast<double>(counter_bits(seed, stream, position) >> 11) * 0x1p-53;
}

std::int32_t draw_token(std::span<const float> logits, double log_sum, double at) {
  double sum = 0;
  std::int32_t last = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = std::exp(static_cast<double>(logits[i]) - log_sum);
    if (p > 0) last = static_cast<std::int32_t>(i);
    sum += p;
    if (sum > at) return static_cast<std::int32_t>(i);
  }
  return last;  // rounding left the sum just below one
}

}  // namespace jang::engine
