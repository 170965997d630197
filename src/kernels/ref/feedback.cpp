// SPDX-License-Identifier: Apache-2.0
// Error feedback in plain loops: what every instruction set must equal bit for bit.
#include "kernels/ref/feedback.h"

#include <cmath>

#include "kernels/feedback_rows.h"
#include "kernels/ref/encode.h"

namespace jang::kernels::ref {
namespace {

struct Kernel {
  // to[c] -= x * from[c]
  static void subtract_scaled(float x, const float* from, std::int64_t begin, std::int64_t end, float* to) {
    for (std::int64_t c = begin; c < end; ++c) to[c] = std::fma(-x, from[c], to[c]);
  }
  // out[r, c] -= sum_k left[r, k] m[k, c], k in order
  static void subtract_product(const float* left, std::int64_t left_step, std::int64_t n_rows, std::int64_t n, const float* m,
                               std::int64_t ld, std::int64_t begin, std::int64_t end, float* out, std::int64_t out_step) {
    for (std::int64_t r = 0; r < n_rows; ++r)
      for (std::int64_t k = 0; k < n; ++k) subtract_scaled(left[r * left_step + k], m + k * ld, begin, end, out + r * out_step);
  }
  static void add_product(const float* left, std::int64_t left_step, std::int64_t n_rows, std::int64_t n, const float* m, std::int64_t ld,
                          std::int64_t begin, std::int64_t end, float* out, std::int64_t out_step) {
    for (std::int64_t r = 0; r < n_rows; ++r)
      for (std::int64_t k = 0; k < n; ++k) subtract_scaled(-left[r * left_step + k], m + k * ld, begin, end, out + r * out_step);
  }
  static double dot(const float* a, const float* b, std::int64_t n) {
    float parts[16] = {};
    for (std::int64_t j = 0; j < n; ++j) parts[j % 16] = std::fma(a[j], b[j], parts[j % 16]);
    double total = 0;
    for (const float part : parts) total += static_cast<double>(part);
    return total;
  }
  static EncodeError fit(const EncodeArgs& a) { return encode_fit(a); }
  static void propose(const float* q, const float* g, const float* inverse_h, float inverse_scale, float max_code, float* out) {
    for (int j = 0; j < 16; ++j) {
      const float x = std::fma(-(g[j] * inverse_h[j]), inverse_scale, q[j]), low = x > 0.0f ? x : 0.0f;
      out[j] = std::nearbyint(low < max_code ? low : max_code);
    }
  }
};

}  // namespace

EncodeError encode_feedback(const EncodeArgs& a) { return FeedbackRows<Kernel>(a).run(); }

void add_gram_rows(const float* x, std::int64_t n, std::int64_t stride, std::int64_t in, std::int64_t begin, float* out) {
  for (std::int64_t i = begin; i < begin + 4; ++i)
    for (std::int64_t j = begin / 32 * 32; j < in; ++j) {
      float sum = 0;
      for (std::int64_t t = 0; t < n; ++t) sum = std::fma(x[t * stride + i], x[t * stride + j], sum);
      out[i * in + j] += sum;
    }
}

}  // namespace jang::kernels::ref
