// SPDX-License-Identifier: Apache-2.0
// Least squares by normal equations N x = y, N symmetric and positive semidefinite, in double with Cholesky. A relative ridge of 1e-6 on
// the diagonal keeps unknowns that the data do not tell apart near zero.
#pragma once

#include <cstdint>
#include <vector>

namespace jang::kernels {

class NormalEquations {
 public:
  explicit NormalEquations(std::int64_t n);

  // A new system with the entries of another one for a start. Only the lower triangle (j <= i) is read.
  void begin(const NormalEquations& constant) { matrix_ = constant.matrix_; }
  void set(std::int64_t i, std::int64_t j, double value) { matrix_[index(i, j)] = value; }
  void set_right(std::int64_t i, double value) { right_[static_cast<std::size_t>(i)] = value; }
  // False when the system cannot be solved.
  [[nodiscard]] bool solve();
  [[nodiscard]] double solution(std::int64_t i) const { return right_[static_cast<std::size_t>(i)]; }

 private:
  [[nodiscard]] std::size_t index(std::int64_t i, std::int64_t j) const { return static_cast<std::size_t>(i * n_ + j); }

  std::int64_t n_;
  std::vector<double> matrix_;  // [n, n]
  std::vector<double> right_;   // [n], the solution after solve()
};

}  // namespace jang::kernels
