// SPDX-License-Identifier: Apache-2.0
// The ops of ops.h that walk over one row: norms, activations, rope, softmax, storing keys and values.
//
// V supplies, beside vector_math.h's: abs, sum and max_of (over the lanes), store_f16, store_bf16 (nearest, half to even) and store_s8
// (integral values in [-127, 127]).
#pragma once

#include <cmath>
#include <limits>

#include "kernels/cpu/generic/vector_math.h"
#include "kernels/ops.h"

namespace jang::kernels::generic {

// out[i] = f(x[i], y[i])
template <class V, class Function>
inline void map(const float* x, const float* y, std::int64_t n, float* out, const Function& f) {
  for (std::int64_t i = 0; i < n; i += V::kLanes) store_some<V>(out + i, n - i, f(load_some<V>(x + i, n - i), load_some<V>(y + i, n - i)));
}

// Sum over i of f(x[i]): float32 lanes over 64 vectors at a time, those sums in double.
template <class V, class Function>
inline double sum_over(const float* x, std::int64_t n, float fill, const Function& f) {
  constexpr std::int64_t kRun = 64 * V::kLanes;
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += kRun) {
    const std::int64_t end = begin + kRun < n ? begin + kRun : n;
    typename V::F even = V::set1(0.0f), odd = even;
    std::int64_t i = begin;
    for (; i + 2 * V::kLanes <= end; i += 2 * V::kLanes) {
      even = V::add(even, f(V::load(x + i), i));
      odd = V::add(odd, f(V::load(x + i + V::kLanes), i + V::kLanes));
    }
    for (; i < end; i += V::kLanes) even = V::add(even, f(load_some<V>(x + i, end - i, fill), i));
    total += static_cast<double>(V::sum(V::add(even, odd)));
  }
  return total;
}

template <class V>
inline float largest(const float* x, std::int64_t n) {
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  typename V::F most = V::set1(kNothing);
  for (std::int64_t i = 0; i < n; i += V::kLanes) most = V::max(load_some<V>(x + i, n - i, kNothing), most);
  return V::max_of(most);
}

template <class V>
void rms_norm(const float* x, const float* weight, std::int64_t n, float eps, float offset, float* out) {
  const double squares = sum_over<V>(x, n, 0.0f, [](auto v, std::int64_t) { return V::mul(v, v); });
  const auto factor = V::set1(static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps))));
  if (weight == nullptr) return map<V>(x, x, n, out, [&](auto a, auto) { return V::mul(a, factor); });
  const auto shift = V::set1(offset);
  map<V>(x, weight, n, out, [&](auto a, auto w) { return V::mul(V::mul(a, factor), V::add(w, shift)); });
}

template <class V>
void add(float* x, const float* y, std::int64_t n) {
  map<V>(x, y, n, x, [](auto a, auto b) { return V::add(a, b); });
}

template <class V>
void silu_mul(const float* gate, const float* up, std::int64_t n, float* out) {
  map<V>(gate, up, n, out, [](auto g, auto u) { return V::mul(sigmoid_times<V>(g, g), u); });
}

// 0.5 x (1 + tanh(z)) = x sigmoid(2z), z = sqrt(2/pi) (x + 0.044715 x^3)
template <class V>
void gelu_mul(const float* gate, const float* up, std::int64_t n, float* out) {
  map<V>(gate, up, n, out, [](auto g, auto u) {
    const auto inner = V::fma(V::mul(V::mul(g, g), V::set1(0.044715f)), g, g);
    return V::mul(sigmoid_times<V>(V::mul(inner, V::set1(2 * 0.79788456f)), g), u);
  });
}

template <class V>
void sigmoid_mul(float* x, const float* gate, std::int64_t n) {
  map<V>(x, gate, n, x, [](auto a, auto g) { return sigmoid_times<V>(g, a); });
}

template <class V>
void rope(float* x, const float* cos, const float* sin, std::int64_t half) {
  for (std::int64_t j = 0; j < half; j += V::kLanes) {
    const std::int64_t left = half - j;
    const auto a = load_some<V>(x + j, left), b = load_some<V>(x + half + j, left);
    const auto c = load_some<V>(cos + j, left), s = load_some<V>(sin + j, left);
    store_some<V>(x + j, left, V::fnma(b, s, V::mul(a, c)));
    store_some<V>(x + half + j, left, V::fma(a, s, V::mul(b, c)));
  }
}

template <class V>
void softmax(float* x, std::int64_t n) {
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  const float most = largest<V>(x, n);
  if (most == kNothing) {
    for (std::int64_t i = 0; i < n; ++i) x[i] = 0;
    return;
  }
  const auto shift = V::set1(most);
  const double sum = sum_over<V>(x, n, kNothing, [&](auto v, std::int64_t i) {
    const auto e = exp<V>(V::sub(v, shift));
    store_some<V>(x + i, n - i, e);
    return e;
  });
  const auto factor = V::set1(static_cast<float>(1.0 / sum));
  map<V>(x, x, n, x, [&](auto a, auto) { return V::mul(a, factor); });
}

template <class V>
double log_sum_exp(const float* x, std::int64_t n) {
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  const float most = largest<V>(x, n);
  if (most == kNothing) return static_cast<double>(most);
  const auto shift = V::set1(most);
  return static_cast<double>(most) + std::log(sum_over<V>(x, n, kNothing, [&](auto v, std::int64_t) { return exp<V>(V::sub(v, shift)); }));
}

template <class V, class Store>
inline void store_row(const float* x, std::int64_t n, int bytes, std::byte* row, const Store& store) {
  std::int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) store(row + i * bytes, V::load(x + i));
  if (i == n) return;
  std::byte last[V::kLanes * 4];
  store(last, load_some<V>(x + i, n - i));
  std::memcpy(row + i * bytes, last, static_cast<std::size_t>((n - i) * bytes));
}

// Same arithmetic as the reference: same bytes for finite x.
template <class V>
void kv_store(KvType type, const float* x, std::int64_t head_dim, std::byte* row) {
  using F = typename V::F;
  switch (type) {
    case KvType::f32: std::memcpy(row, x, static_cast<std::size_t>(head_dim) * 4); return;
    case KvType::f16: return store_row<V>(x, head_dim, 2, row, [](std::byte* to, F v) { V::store_f16(to, v); });
    case KvType::bf16: return store_row<V>(x, head_dim, 2, row, [](std::byte* to, F v) { V::store_bf16(to, v); });
    case KvType::q8: break;
  }
  F most = V::set1(0.0f);
  for (std::int64_t i = 0; i < head_dim; i += V::kLanes) most = V::max(V::abs(load_some<V>(x + i, head_dim - i)), most);
  const float range = V::max_of(most), scale = range / 127.0f, inverse = range > 0 ? 127.0f / range : 0.0f;
  store_row<V>(x, head_dim, 1, row, [&](std::byte* to, F v) {
    const F code = V::round_even(V::mul(v, V::set1(inverse)));
    V::store_s8(to, V::min(V::max(code, V::set1(-127.0f)), V::set1(127.0f)));
  });
  std::memcpy(row + head_dim, &scale, 4);
}

}  // namespace jang::kernels::generic
