// SPDX-License-Identifier: Apache-2.0
// See the header for definitions and sources.
#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace jang::eval {
namespace {

// log of the binomial coefficient (n over k) / 2^n.
double log_binomial_half(std::int64_t n, std::int64_t k) {
  const auto gamma = [](std::int64_t x) { return std::lgamma(static_cast<double>(x) + 1.0); };
  return gamma(n) - gamma(k) - gamma(n - k) - static_cast<double>(n) * std::log(2.0);
}

}  // namespace

Interval wilson(std::int64_t successes, std::int64_t n, double z) {
  JANG_CHECK(successes >= 0 && successes <= n);
  if (n == 0) return {0, 1};
  const double count = static_cast<double>(n), p = static_cast<double>(successes) / count, zz = z * z;
  const double centre = (p + zz / (2 * count)) / (1 + zz / count);
  const double half = z / (1 + zz / count) * std::sqrt(p * (1 - p) / count + zz / (4 * count * count));
  // Exact at the ends, where rounding could leave 1e-17.
  return {successes == 0 ? 0.0 : std::max(0.0, centre - half), successes == n ? 1.0 : std::min(1.0, centre + half)};
}

double mcnemar_exact(std::int64_t b, std::int64_t c) {
  JANG_CHECK(b >= 0 && c >= 0);
  const std::int64_t n = b + c, k = std::min(b, c);
  if (n == 0 || b == c) return 1;
  double tail = 0;
  for (std::int64_t i = 0; i <= k; ++i) tail += std::exp(log_binomial_half(n, i));
  return std::min(1.0, 2 * tail);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double running = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    running = std::max(running, std::min(1.0, static_cast<double>(p.size() - rank) * p[order[rank]]));
    adjusted[order[rank]] = running;
  }
  return adjusted;
}

Mean mean_of(std::span<const double> values) {
  Mean m;
  m.n = static_cast<std::int64_t>(values.size());
  if (values.empty()) return m;
  const double count = static_cast<double>(values.size());
  double sum = 0;
  for (const double v : values) sum += v;
  m.mean = sum / count;
  double squares = 0;
  for (const double v : values) squares += (v - m.mean) * (v - m.mean);
  if (values.size() > 1) m.standard_error = std::sqrt(squares / (count - 1) / count);
  return m;
}

Mean paired_difference(std::span<const double> a, std::span<const double> b) {
  JANG_CHECK(a.size() == b.size());
  std::vector<double> difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return mean_of(difference);
}

double percentile(std::span<const double> sorted, double percent) {
  JANG_CHECK(!sorted.empty() && percent >= 0 && percent <= 100);
  const double position = percent / 100 * static_cast<double>(sorted.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(position), sorted.size() - 1);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double weight = position - static_cast<double>(below);
  return sorted[below] == sorted[above] ? sorted[below] : sorted[below] + weight * (sorted[above] - sorted[below]);
}

Estimate exp_of(const Mean& log_value) {
  const double value = std::exp(log_value.mean);
  return {value, value * log_value.standard_error};
}

Estimate perplexity_ratio(std::span<const double> nll_a, std::span<const double> nll_b) { return exp_of(paired_difference(nll_a, nll_b)); }

}  // namespace jang::eval
