// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "engine/counter_draw.h"

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

}  // namespace jang::engine
