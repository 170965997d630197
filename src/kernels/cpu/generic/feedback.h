// SPDX-License-Identifier: Apache-2.0
// The arithmetic of error feedback (kernels/feedback_rows.h), once for every instruction set.
//
// Lanes are columns: every element is a chain of fused multiply-adds in a fixed order, and sums over columns have 16 partial sums, so all
// instruction sets give the bits of ref/feedback.cpp. V as in generic/encode.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/aligned_buffer.h"
#include "codec/affine.h"
#include "kernels/cpu/generic/encode_integer.h"
#include "kernels/encode.h"
#include "kernels/feedback_rows.h"

namespace jang::kernels::generic {

// A product's left factor: element (row, k) at data[row * row_step + k * k_step].
struct LeftFactor {
  const float* data;
  std::int64_t row_step, k_step;
};

// out[r, c] += (or -=) sum_k left(r, k) m[k, c] for r in [0, R), c in [begin, end), k in [0, n) in order. A multiple of 32 columns.
template <class V, bool kAdd, int R>
void accumulate_rows(LeftFactor left, std::int64_t n, const float* m, std::int64_t ld, std::int64_t begin, std::int64_t end, float* out,
                     std::int64_t out_step) {
  using F = typename V::F;
  constexpr int kLanes = V::kLanes;
  for (std::int64_t c = begin; c < end; c += 2 * kLanes) {
    F sum[R][2];
    for (int r = 0; r < R; ++r) {
      sum[r][0] = V::load(out + r * out_step + c);
      sum[r][1] = V::load(out + r * out_step + c + kLanes);
    }
    for (std::int64_t k = 0; k < n; ++k) {
      const F m0 = V::load(m + k * ld + c), m1 = V::load(m + k * ld + c + kLanes);
      for (int r = 0; r < R; ++r) {
        const F x = V::set1(left.data[r * left.row_step + k * left.k_step]);
        sum[r][0] = kAdd ? V::fma(x, m0, sum[r][0]) : V::fnma(x, m0, sum[r][0]);
        sum[r][1] = kAdd ? V::fma(x, m1, sum[r][1]) : V::fnma(x, m1, sum[r][1]);
      }
    }
    for (int r = 0; r < R; ++r) {
      V::store(out + r * out_step + c, sum[r][0]);
      V::store(out + r * out_step + c + kLanes, sum[r][1]);
    }
  }
}

// The same for any number of rows; a slice of the matrix stays in the cache while all rows use it.
template <class V, bool kAdd>
void accumulate(LeftFactor left, std::int64_t n_rows, std::int64_t n, const float* m, std::int64_t ld, std::int64_t begin, std::int64_t end,
                float* out, std::int64_t out_step) {
  constexpr std::int64_t kSlice = 64;
  for (std::int64_t k = 0; k < n; k += kSlice) {
    const std::int64_t depth = std::min(kSlice, n - k);
    for (std::int64_t r = 0; r < n_rows; r += 4) {
      const LeftFactor l{left.data + r * left.row_step + k * left.k_step, left.row_step, left.k_step};
      const float* slice = m + k * ld;
      float* to = out + r * out_step;
      switch (std::min<std::int64_t>(4, n_rows - r)) {
        case 1: accumulate_rows<V, kAdd, 1>(l, depth, slice, ld, begin, end, to, out_step); break;
        case 2: accumulate_rows<V, kAdd, 2>(l, depth, slice, ld, begin, end, to, out_step); break;
        case 3: accumulate_rows<V, kAdd, 3>(l, depth, slice, ld, begin, end, to, out_step); break;
        default: accumulate_rows<V, kAdd, 4>(l, depth, slice, ld, begin, end, to, out_step); break;
      }
    }
  }
}

// sum_j a[j] b[j] over n columns (a multiple of 16): 16 partial sums of fused products, added up in double in order.
template <class V>
double dot(const float* a, const float* b, std::int64_t n) {
  constexpr int kParts = 16 / V::kLanes;
  typename V::F sum[kParts];
  for (auto& s : sum) s = V::set1(0.0f);
  for (std::int64_t j = 0; j < n; j += 16)
    for (int p = 0; p < kParts; ++p) sum[p] = V::fma(V::load(a + j + p * V::kLanes), V::load(b + j + p * V::kLanes), sum[p]);
  alignas(64) float parts[16];
  for (int p = 0; p < kParts; ++p) V::store(parts + p * V::kLanes, sum[p]);
  double total = 0;
  for (const float part : parts) total += static_cast<double>(part);
  return total;
}

template <class V>
struct FeedbackKernel {
  // to[c] -= x * from[c], c in [begin, end)
  static void subtract_scaled(float x, const float* from, std::int64_t begin, std::int64_t end, float* to) {
    const typename V::F factor = V::set1(x);
    for (std::int64_t c = begin; c < end; c += V::kLanes) V::store(to + c, V::fnma(factor, V::load(from + c), V::load(to + c)));
  }
  static void subtract_product(const float* left, std::int64_t left_step, std::int64_t n_rows, std::int64_t n, const float* m,
                               std::int64_t ld, std::int64_t begin, std::int64_t end, float* out, std::int64_t out_step) {
    accumulate<V, false>({left, left_step, 1}, n_rows, n, m, ld, begin, end, out, out_step);
  }
  static void add_product(const float* left, std::int64_t left_step, std::int64_t n_rows, std::int64_t n, const float* m, std::int64_t ld,
                          std::int64_t begin, std::int64_t end, float* out, std::int64_t out_step) {
    accumulate<V, true>({left, left_step, 1}, n_rows, n, m, ld, begin, end, out, out_step);
  }
  static double dot(const float* a, const float* b, std::int64_t n) { return generic::dot<V>(a, b, n); }
  static EncodeError fit(const EncodeArgs& a) { return encode_fit<V>(a); }
  // Codes that coordinate descent would choose for 16 columns as they stand: min(max(rint(q - g * inverse_h * inverse_scale), 0),
  // max_code).
  static void propose(const float* q, const float* g, const float* inverse_h, float inverse_scale, float max_code, float* out) {
    for (int p = 0; p < 16; p += V::kLanes) {
      const typename V::F step = V::mul(V::load(g + p), V::load(inverse_h + p));
      const typename V::F x = V::fnma(step, V::set1(inverse_scale), V::load(q + p));
      V::store(out + p, V::round_even(V::min(V::max(x, V::set1(0.0f)), V::set1(max_code))));
    }
  }
};

template <class V>
EncodeError encode_feedback(const EncodeArgs& a) {
  return FeedbackRows<FeedbackKernel<V>>(a).run();
}

template <class V>
void add_gram_rows(const float* x, std::int64_t n, std::int64_t stride, std::int64_t in, std::int64_t begin, float* out) {
  alignas(64) float sums[4][32];
  for (std::int64_t c = begin / 32 * 32; c < in; c += 32) {
    std::fill_n(&sums[0][0], 4 * 32, 0.0f);
    accumulate_rows<V, true, 4>({x + begin, 1, stride}, n, x + c, stride, 0, 32, &sums[0][0], 32);
    for (int r = 0; r < 4; ++r)
      for (int j = 0; j < 32; ++j) out[(begin + r) * in + c + j] += sums[r][j];
  }
}

}  // namespace jang::kernels::generic
