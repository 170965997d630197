// SPDX-License-Identifier: Apache-2.0
// Random bits from a counter: splitmix64's finaliser (Steele, Lea, Flood 2014), the same everywhere and in any order.
#pragma once

#include <cstdint>

namespace jang::calibrate {

[[nodiscard]] inline std::uint64_t mix(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// 64 bits that depend on seed, window and position.
[[nodiscard]] inline std::uint64_t random_bits(std::uint64_t seed, std::int64_t window, std::int64_t position) {
  return mix(seed ^ mix(static_cast<std::uint64_t>(window) ^ mix(static_cast<std::uint64_t>(position))));
}

}  // namespace jang::calibrate
