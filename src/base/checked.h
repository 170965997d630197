// SPDX-License-Identifier: Apache-2.0
// Overflow-safe integer arithmetic for sizes read from files. Every product or sum of outside numbers goes through here.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

namespace jang {

// nullopt when the exact result does not fit T.
template <std::integral T>
[[nodiscard]] constexpr std::optional<T> checked_add(T a, T b) {
  T r{};
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}

template <std::integral T>
[[nodiscard]] constexpr std::optional<T> checked_mul(T a, T b) {
  T r{};
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}

template <std::integral T>
[[nodiscard]] constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

// Smallest multiple of `to` that is >= a. Precondition: the result fits T.
template <std::integral T>
[[nodiscard]] constexpr T round_up(T a, T to) {
  return ceil_div(a, to) * to;
}

}  // namespace jang
