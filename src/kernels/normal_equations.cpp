// SPDX-License-Identifier: Apache-2.0
// Cholesky of the normal equations, row by row.
#include "kernels/normal_equations.h"

#include <cmath>

namespace jang::kernels {
namespace {

constexpr double kRidge = 1e-6;

// sum a[k] b[k] with four partial sums: a fixed order that a compiler can make parallel.
double dot(const double* a, const double* b, std::int64_t n) {
  double sum[4] = {};
  std::int64_t k = 0;
  for (; k + 4 <= n; k += 4)
    for (int p = 0; p < 4; ++p) sum[p] += a[k + p] * b[k + p];
  for (; k < n; ++k) sum[0] += a[k] * b[k];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

}  // namespace

NormalEquations::NormalEquations(std::int64_t n) : n_(n), matrix_(static_cast<std::size_t>(n * n)), right_(static_cast<std::size_t>(n)) {}

bool NormalEquations::solve() {
  double* m = matrix_.data();
  for (std::int64_t i = 0; i < n_; ++i) {
    double* row = m + i * n_;
    row[i] *= 1 + kRidge;
    for (std::int64_t j = 0; j < i; ++j) row[j] = (row[j] - dot(row, m + j * n_, j)) / m[j * n_ + j];
    const double pivot = row[i] - dot(row, row, i);
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    row[i] = std::sqrt(pivot);
    right_[static_cast<std::size_t>(i)] = (right_[static_cast<std::size_t>(i)] - dot(row, right_.data(), i)) / row[i];
  }
  for (std::int64_t i = n_ - 1; i >= 0; --i) {
    const double x = right_[static_cast<std::size_t>(i)] /= m[i * n_ + i];
    for (std::int64_t j = 0; j < i; ++j) right_[static_cast<std::size_t>(j)] -= x * m[i * n_ + j];
  }
  return true;
}

}  // namespace jang::kernels
