// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "calibrate/reference.h"

#include <algorithm>
#include <cmath>

#include "kernels/host_ops.h"

namespace jang::calibrate {
namespace {

constexpr std::int64_t kScoredRows = 64;
constexpr std::int64_t kMaxReferenceBytes = std::int64_t{512} << 20;

// sum_i p_i z_i in double, in lanes that the compiler can keep apart.
double dot(const float* p, const float* z, std::int64_t n) {
  constexpr int kLanes = 8;
  double sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) sums[j] += static_cast<double>(p[i + j]) * static_cast<double>(z[i + j]);
  double sum = 0;
  for (; i < n; ++i) sum += static_cast<double>(p[i]) * static_cast<double>(z[i]);
  for (const double s : sums) sum += s;
  return sum;
}

}  // namespace

std::int64_t most_positions(std::int64_t vocab) { return kMaxReferenceBytes / (vocab * static_cast<std::int64_t>(sizeof(float))); }

Reference::Reference(engine::Engine& engine, std::int64_t n_tokens, std::int64_t max_positions)
    : engine_(engine), vocab_(engine.decoder().config().vocab), hidden_(engine.decoder().config().hidden) {
  const std::int64_t n = std::clamp<std::int64_t>(std::min(max_positions, most_positions(vocab_)), 1, n_tokens);
  // Spread evenly; the first positions of a window tell little, and there are few of them.
  for (std::int64_t i = 0; i < n; ++i) positions_.push_back(static_cast<std::int32_t>((2 * i + 1) * n_tokens / (2 * n)));
}

Status Reference::for_each(const kernels::Tensor& x, const std::function<void(std::int64_t, const float*)>& f) {
  const auto n = static_cast<std::int64_t>(positions_.size());
  kernels::Device& device = engine_.device();
  if (!scored_.reserve(device, kScoredRows * hidden_) || !indices_.reserve(device, n, DType::i32))
    return {StatusCode::out_of_memory, "no memory for the scored positions"};
  const kernels::Tensor index = indices_.matrix(n, 1, DType::i32);
  JANG_TRY(device.write(positions_.data(), index));
  std::vector<float> logits(static_cast<std::size_t>(kScoredRows * vocab_));
  for (std::int64_t first = 0; first < n; first += kScoredRows) {
    const std::int64_t count = std::min(kScoredRows, n - first);
    const kernels::Tensor rows = scored_.matrix(count, hidden_);
    device.gather_rows(x, index.row_range(first, count), rows);
    JANG_TRY(engine_.logits(rows, logits.data()));
    engine_.pool().run(count, [&](std::int64_t i, int) { f(first + i, logits.data() + i * vocab_); });
  }
  return {};
}

Status Reference::keep(const kernels::Tensor& x) {
  p_.resize(positions_.size() * static_cast<std::size_t>(vocab_));
  entropy_term_.resize(positions_.size());
  return for_each(x, [&](std::int64_t i, const float* z) {
    float* row = p_.data() + i * vocab_;
    const double log_sum = kernels::log_sum_exp(z, vocab_);
    for (std::int64_t j = 0; j < vocab_; ++j) row[j] = static_cast<float>(std::exp(static_cast<double>(z[j]) - log_sum));
    // p is rounded: the sum of p is not one to the last bit, and both terms of the divergence must use the same p.
    double total = 0;
    for (std::int64_t j = 0; j < vocab_; ++j) total += row[j];
    entropy_term_[static_cast<std::size_t>(i)] = dot(row, z, vocab_) - total * log_sum;
  });
}

Result<std::vector<double>> Reference::divergences(const kernels::Tensor& x) {
  std::vector<double> at(positions_.size());
  JANG_TRY(for_each(x, [&](std::int64_t i, const float* z) {
    const float* row = p_.data() + i * vocab_;
    at[static_cast<std::size_t>(i)] = entropy_term_[static_cast<std::size_t>(i)] - (dot(row, z, vocab_) - kernels::log_sum_exp(z, vocab_));
  }));
  return at;
}

Result<double> Reference::divergence(const kernels::Tensor& x) {
  JANG_ASSIGN(const std::vector<double> at, divergences(x));
  double sum = 0;
  for (const double d : at) sum += d;
  return std::max(0.0, sum / static_cast<double>(at.size()));
}

}  // namespace jang::calibrate
