// SPDX-License-Identifier: Apache-2.0
// Draws that depend on a counter only: the same whatever is drawn before, beside or on how many threads.
#pragma once

#include <cstdint>

namespace jang::engine {

// splitmix64's finaliser (Steele, Lea, Flood 2014): a bijection whose outputs look random for inputs that count.
[[nodiscard]] std::uint64_t mix_bits(std::uint64_t z);
// 64 random bits that depend on seed, stream and position.
[[nodiscard]] std::uint64_t counter_bits(std::uint64_t seed, std::int64_t stream, std::int64_t position);
// Uniform in [0, 1), from these bits.
[[nodiscard]] double counter_uniform(std::uint64_t seed, std::int64_t stream, std::int64_t position);

}  // namespace jang::engine
