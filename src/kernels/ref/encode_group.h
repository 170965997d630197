// SPDX-License-Identifier: Apache-2.0
// One group of the reference encoders: what is given, what is found, the score of a candidate.
//
// The value of a code is (code - zero) * scale + bias; affine groups have zero = 0, the other kinds bias = 0 when they are stored. The
// search scores both by scale and bias alone, with -zero * scale for a bias.
#pragma once

#include <cmath>

#include "codec/affine.h"
#include "tensor/dtype.h"

namespace jang::kernels::ref {

struct Group {
  const float* w;
  const float* h;  // null: all ones
  int n;
  float max_code;
  DType dtype;
};

// Sums that a least-squares refit needs and no candidate changes: of h, of h w.
struct FixedSums {
  float h = 0, hw = 0;
  explicit FixedSums(const Group& g) {
    if (g.h == nullptr) {
      h = static_cast<float>(g.n);
      for (int j = 0; j < g.n; ++j) hw += g.w[j];
      return;
    }
    for (int j = 0; j < g.n; ++j) {
      h += g.h[j];
      hw = std::fma(g.h[j], g.w[j], hw);
    }
  }
};

struct Params {
  float scale = 0, bias = 0;
  float zero = 0;  // of kinds without biases
};

struct Sums {
  float score = 0, q = 0, qw = 0, qq = 0;
};

struct Solution {
  Params stored;  // of kinds without biases: bias 0
  float codes[codec::kMaxGroup];
  double error = 0;
};

// Ordered so that NaN becomes 0, as the SIMD compare-and-select does.
inline float clamp_code(float x, float max_code) {
  const float low = x > 0.0f ? x : 0.0f;
  return std::nearbyint(low < max_code ? low : max_code);
}

inline double exact_error(const Group& g, const Solution& s) {
  double error = 0;
  for (int j = 0; j < g.n; ++j) {
    const double steps = static_cast<double>(s.codes[j]) - static_cast<double>(s.stored.zero);
    const double value = steps * static_cast<double>(s.stored.scale) + static_cast<double>(s.stored.bias);
    const double d = static_cast<double>(g.w[j]) - value;
    error += (g.h ? static_cast<double>(g.h[j]) : 1.0) * (d * d);
  }
  return error;
}

// For codes clamp(rint((w - bias) / scale)): the squared error, and the sums that a least-squares refit needs.
inline Sums evaluate(const Group& g, Params p) {
  Sums s;
  const float inverse = 1.0f / p.scale;
  for (int j = 0; j < g.n; ++j) {
    const float x = g.w[j] - p.bias;
    const float q = clamp_code(x * inverse, g.max_code);
    const float d = std::fma(-p.scale, q, x);
    if (g.h) {
      const float hq = g.h[j] * q;
      s.score = std::fma(g.h[j] * d, d, s.score);
      s.q += hq;
      s.qw = std::fma(hq, g.w[j], s.qw);
      s.qq = std::fma(hq, q, s.qq);
    } else {
      s.score = std::fma(d, d, s.score);
      s.q += q;
      s.qw = std::fma(q, g.w[j], s.qw);
      s.qq = std::fma(q, q, s.qq);
    }
  }
  return s;
}

}  // namespace jang::kernels::ref
