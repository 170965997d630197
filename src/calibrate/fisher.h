// SPDX-License-Identifier: Apache-2.0
// Sensitivities from one backward pass: the diagonal of the Fisher information of every weight matrix.
//
// To second order the divergence that a change dW of one matrix causes is half its Fisher form, and rounding errors are nearly
// uncorrelated, so that only the diagonal counts:
//
//   KL(source || changed) = 1/2 sum_ij E[g_ij^2] dW_ij^2 per scored token
//
// g: gradient by the matrix of sum_t <eps_t, logits_t> over one window, eps_t = sqrt(p_t) z - p_t <sqrt(p_t), z>. With z of mean zero and
// covariance one eps has the covariance diag(p) - p p^T, the Fisher information of softmax; z is random signs, which of all such
// z have the least variance in squares (as in Hutchinson's estimator of a trace). Of g^2 the sums of rows and columns are kept: their
// product over the total stands for it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "calibrate/text.h"
#include "format/statistics.h"

namespace jang::calibrate {

struct Fisher {
  std::map<std::string, format::FisherStatistics> by_module;
  std::int64_t positions = 0;  // all but the last of every window
};

// A forward and a backward over every window. Sums are in double and in a fixed order. Errors: unsupported (a device without gradients,
// squares that float32 does not hold); those of the forward; cancelled.
[[nodiscard]] Result<Fisher> measure_fisher(engine::Engine& engine, const Windows& windows, std::uint64_t seed, Observer& observer,
                                            const CancelFlag* cancel);

// eps of one position in the place of its logits.
void cotangent(std::span<float> logits, std::uint64_t seed, std::int64_t window, std::int64_t position);
// The same for the logits of a window on the device, [n, vocab]; the last position predicts nothing, and has zeros.
[[nodiscard]] Status put_cotangents(engine::Engine& engine, const kernels::Tensor& logits, std::uint64_t seed, std::int64_t window);

}  // namespace jang::calibrate
