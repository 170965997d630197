// SPDX-License-Identifier: Apache-2.0
// The Gram matrix of a linear map's inputs, prepared for error feedback:
//
//   H = E[x x^T] + damping * mean(diag) * I  (and 1 on the diagonal where an input was never seen);   inverse(H) = U^T U,  U upper
//   triangular
//
// U is found without inverting H: with P the reversal of rows, P H P = R^T R (Cholesky, R upper), U = P R^-T P. All in double, so that the
// small directions of a matrix with outlier channels keep their digits.
#pragma once

#include <cstdint>
#include <span>

#include "base/aligned_buffer.h"
#include "jang/status.h"

namespace jang {
class ThreadPool;
}

namespace jang::kernels {

struct Gram {
  std::int64_t n = 0;
  AlignedBuffer<float> matrix;  // H [n, n]
  AlignedBuffer<float> factor;  // U [n, n], zero below the diagonal
};

// GPTQ's usual damping.
inline constexpr double kGramDamping = 0.01;

// `upper`: E[x x^T] [n, n], of which the upper triangle is read. `pool` may be null. Precondition: n % 32 == 0.
// Errors: out_of_memory; corrupt (not finite, or not positive definite in spite of the damping).
[[nodiscard]] Result<Gram> make_gram(std::span<const float> upper, std::int64_t n, ThreadPool* pool, double damping = kGramDamping);

}  // namespace jang::kernels
