// SPDX-License-Identifier: Apache-2.0
// Vectors at the ends of arrays, and exp and the sigmoid over vectors.
//
// V supplies kLanes, F, load, store, set1, add, sub, mul, div, fma, fnma (c - a*b), min, max (a op b ? a : b, so that NaN in b stays),
// round_even, and scale_by_power(p, n) = p * 2^n for integral n in [-152, 129], underflow and overflow as IEEE 754 has them.
#pragma once

#include <cstdint>
#include <cstring>

namespace jang::kernels::generic {

// p[0 .. min(left, kLanes)), `fill` behind.
template <class V>
inline typename V::F load_some(const float* p, std::int64_t left, float fill = 0.0f) {
  if (left >= V::kLanes) [[likely]]
    return V::load(p);
  float padded[V::kLanes];
  for (int l = 0; l < V::kLanes; ++l) padded[l] = l < left ? p[l] : fill;
  return V::load(padded);
}
template <class V>
inline void store_some(float* p, std::int64_t left, typename V::F a) {
  if (left >= V::kLanes) [[likely]]
    return V::store(p, a);
  float padded[V::kLanes];
  V::store(padded, a);
  for (int l = 0; l < left; ++l) p[l] = padded[l];
}

// e^x to about one unit in the last place; exp(0) is exactly 1, exp(-inf) exactly 0.
// x = n ln2 + r with |r| <= ln2/2; e^r by its Taylor polynomial of degree 7 (remainder r^8/8! < 6e-9); ln2 in two parts.
template <class V>
inline typename V::F exp(typename V::F x) {
  using F = typename V::F;
  x = V::max(V::set1(-105.0f), V::min(V::set1(89.0f), x));  // e^-105 rounds to 0, e^89 to infinity
  const F n = V::round_even(V::mul(x, V::set1(1.44269504f)));
  const F r = V::fnma(n, V::set1(-2.12194440e-4f), V::fnma(n, V::set1(0.693359375f), x));
  F p = V::set1(1.0f / 5040);
  for (const float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) p = V::fma(p, r, V::set1(c));
  return V::scale_by_power(p, n);
}

// 1 / (1 + e^-x), and the same times y.
template <class V>
inline typename V::F sigmoid_times(typename V::F x, typename V::F y) {
  return V::div(y, V::add(V::set1(1.0f), exp<V>(V::sub(V::set1(0.0f), x))));
}
// tanh to about 1e-7 absolute: 1 - 2 / (1 + e^2x).
template <class V>
inline typename V::F tanh(typename V::F x) {
  const typename V::F one = V::set1(1.0f);
  return V::sub(one, V::div(V::set1(2.0f), V::add(one, exp<V>(V::add(x, x)))));
}

}  // namespace jang::kernels::generic
