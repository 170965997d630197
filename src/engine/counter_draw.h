// SPDX-License-Identifier: Apache-2.0
// Draws that depend on a counter only: the same whatever is drawn before, beside or on how many threads.
#pragma once

#include <cstdint>
#include <span>

namespace jang::engine {

// splitmix64's finaliser (Steele, Lea, Flood 2014): a bijection whose outputs look random for inputs that count.
[[nodiscard]] std::uint64_t mix_bits(std::uint64_t z);
// 64 random bits that depend on seed, stream and position.
[[nodiscard]] std::uint64_t counter_bits(std::uint64_t seed, std::int64_t stream, std::int64_t position);
// Uniform in [0, 1), from these bits.
[[nodiscard]] double counter_uniform(std::uint64_t seed, std::int64_t stream, std::int64_t position);

// The token of softmax(logits) whose interval of the cumulative distribution holds `at` in [0, 1). log_sum: log of the sum of their
// exponentials. Precondition: logits are fit for use (engine/check_logits.h).
[[nodiscard]] std::int32_t draw_token(std::span<const float> logits, double log_sum, double at);

}  // namespace jang::engine
