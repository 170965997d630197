// SPDX-License-Identifier: Apache-2.0
// Cholesky factor and triangular inverse by blocks, plain elementwise arithmetic in a fixed order: the same bits on every machine.
#include "kernels/gram.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/thread_pool.h"

namespace jang::kernels {
namespace {

constexpr std::int64_t kBlock = 64;              // rows of a panel
constexpr std::int64_t kRows = 4, kColumns = 4;  // of a register tile

void for_each(ThreadPool* pool, std::int64_t n, const auto& f) {
  if (pool == nullptr) {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  } else {
    pool->run(n, [&](std::int64_t i, int) { f(i); });
  }
}

// A factor of a product: element (i, k) at data[i * row_step + k * k_step].
struct Factor {
  const double* data;
  std::int64_t row_step, k_step;
};

// c[i, j] -= sum_k a(i, k) b[k, j] for i in [0, rows), j in [0, columns), k in [0, n) in order. rows <= kRows, columns <= kColumns.
void subtract_tile(double* c, std::int64_t ldc, Factor a, const double* b, std::int64_t ldb, std::int64_t rows, std::int64_t columns,
                   std::int64_t n) {
  double sum[kRows][kColumns] = {};
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) sum[i][j] = c[i * ldc + j];
  if (rows == kRows && columns == kColumns) {
    for (std::int64_t k = 0; k < n; ++k)
      for (std::int64_t i = 0; i < kRows; ++i) {
        const double x = a.data[i * a.row_step + k * a.k_step];
        for (std::int64_t j = 0; j < kColumns; ++j) sum[i][j] -= x * b[k * ldb + j];
      }
  } else {
    for (std::int64_t k = 0; k < n; ++k)
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j) sum[i][j] -= a.data[i * a.row_step + k * a.k_step] * b[k * ldb + j];
  }
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) c[i * ldc + j] = sum[i][j];
}

void subtract_product(double* c, std::int64_t ldc, Factor a, const double* b, std::int64_t ldb, std::int64_t rows, std::int64_t columns,
                      std::int64_t n) {
  for (std::int64_t j = 0; j < columns; j += kColumns)
    for (std::int64_t i = 0; i < rows; i += kRows)
      subtract_tile(c + i * ldc + j, ldc, {a.data + i * a.row_step, a.row_step, a.k_step}, b + j, ldb, std::min(kRows, rows - i),
                    std::min(kColumns, columns - j), n);
}

// A = R^T R in place of the upper triangle of `a`. False when A is not positive definite.
bool factorize(double* a, std::int64_t n, ThreadPool* pool) {
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t end = std::min(n, begin + kBlock);
    for (std::int64_t k = begin; k < end; ++k) {
      double* row = a + k * n;
      if (!(row[k] > 0) || !std::isfinite(row[k])) return false;
      const double inverse = 1 / std::sqrt(row[k]);
      for (std::int64_t j = k; j < n; ++j) row[j] *= inverse;
      for (std::int64_t i = k + 1; i < end; ++i) {
        const double x = row[i];
        double* to = a + i * n;
        for (std::int64_t j = i; j < n; ++j) to[j] -= x * row[j];
      }
    }
    // The rows below, by blocks; what this writes left of a row's diagonal is not read.
    for_each(pool, (n - end + kBlock - 1) / kBlock, [&](std::int64_t block) {
      const std::int64_t first = end + block * kBlock, rows = std::min(kBlock, n - first);
      subtract_product(a + first * n + first, n, {a + begin * n + first, 1, n}, a + begin * n + first, n, rows, n - first, end - begin);
    });
  }
  return true;
}

// x = R^-1, both upper triangular; x is zero to begin with.
void invert(const double* r, double* x, std::int64_t n, ThreadPool* pool) {
  for (std::int64_t end = n; end > 0; end -= std::min(end, kBlock)) {
    const std::int64_t begin = std::max<std::int64_t>(0, end - kBlock), columns = n - begin;
    // Rows of the block: minus R times the rows below, which are finished.
    for_each(pool, (columns + kBlock - 1) / kBlock, [&](std::int64_t block) {
      const std::int64_t first = begin + block * kBlock, width = std::min(kBlock, n - first);
      subtract_product(x + begin * n + first, n, {r + begin * n + end, n, 1}, x + end * n + first, n, end - begin, width, n - end);
      for (std::int64_t i = end - 1; i >= begin; --i) {
        double* row = x + i * n;
        for (std::int64_t k = i + 1; k < end; ++k) {
          const double factor = r[i * n + k];
          for (std::int64_t j = first; j < first + width; ++j) row[j] -= factor * x[k * n + j];
        }
        if (i >= first && i < first + width) row[i] += 1;
        const double inverse = 1 / r[i * n + i];
        for (std::int64_t j = first; j < first + width; ++j) row[j] *= inverse;
      }
    });
  }
}

}  // namespace

Result<Gram> make_gram(std::span<const float> upper, std::int64_t n, ThreadPool* pool, double damping) {
  JANG_CHECK(n > 0 && n % 32 == 0 && static_cast<std::int64_t>(upper.size()) == n * n);
  Gram gram;
  gram.n = n;
  AlignedBuffer<double> reversed, inverse;
  if (!gram.matrix.reserve(n * n) || !gram.factor.reserve(n * n) || !reversed.reserve(n * n) || !inverse.reserve(n * n))
    return Status(StatusCode::out_of_memory, "no memory for a Gram matrix of " + std::to_string(n) + " inputs");
  double trace = 0;
  for (std::int64_t i = 0; i < n; ++i) trace += upper[static_cast<std::size_t>(i * n + i)];
  if (!std::isfinite(trace)) return Status(StatusCode::corrupt, "a Gram matrix is not finite");
  const double added = damping * trace / static_cast<double>(n);
  float* h = gram.matrix.get();
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = i; j < n; ++j) h[i * n + j] = h[j * n + i] = upper[static_cast<std::size_t>(i * n + j)];
    const double seen = h[i * n + i];
    h[i * n + i] = static_cast<float>(seen + added + (seen > 0 ? 0 : 1));
  }
  double* r = reversed.get();
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) r[i * n + j] = h[(n - 1 - i) * n + n - 1 - j];
  if (!factorize(r, n, pool)) return Status(StatusCode::corrupt, "a Gram matrix is not positive definite");
  std::fill_n(inverse.get(), n * n, 0.0);
  invert(r, inverse.get(), n, pool);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      gram.factor.get()[i * n + j] = j < i ? 0.0f : static_cast<float>(inverse.get()[(n - 1 - j) * n + n - 1 - i]);
  return gram;
}

}  // namespace jang::kernels
