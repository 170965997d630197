// SPDX-License-Identifier: Apache-2.0
// Host computations through the fastest instruction set.
#include "kernels/host_ops.h"

#include <cmath>
#include <limits>

#include "kernels/instruction_set.h"

namespace jang::kernels {
namespace {

const Ops& fastest() {
  static const Ops& ops = *find_instruction_set()->ops;
  return ops;
}

}  // namespace

void dequantize_row(const MatrixView& w, std::int64_t row, float* out) { fastest().dequantize_row(w, row, out); }
double log_sum_exp(const float* x, std::int64_t n) { return fastest().log_sum_exp(x, n); }

bool usable_logits(const float* logits, std::int64_t n) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  int bad = 0, possible = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    bad |= static_cast<int>(!(logits[i] <= kLargest));  // NaN compares false
    possible |= static_cast<int>(logits[i] >= -kLargest);
  }
  return bad == 0 && possible != 0;
}

std::int32_t draw_token(std::span<const float> logits, double log_sum, double at) {
  double sum = 0;
  std::int32_t last = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = std::exp(static_cast<double>(logits[i]) - log_sum);
    if (p > 0) last = static_cast<std::int32_t>(i);
    sum += p;
    if (sum > at) return static_cast<std::int32_t>(i);
  }
  return last;  // rounding left the sum just below one
}

}  // namespace jang::kernels
