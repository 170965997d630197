// SPDX-License-Identifier: Apache-2.0
// The statistics of evaluation: intervals, paired tests, means with their errors. Pure functions, deterministic: sums run in index order.
//
// Errors of means treat observations as independent. Tokens of one text are not quite that, so a standard error over tokens is a lower
// bound; differences between models on the same tokens are paired, which removes most of what the text itself contributes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jang/measures.h"

namespace jang::eval {

using jang::Estimate;
using jang::Interval;
using jang::Mean;

// Two-sided 95 % quantile of the normal distribution.
inline constexpr double kZ95 = 1.959963984540054;

// Score interval of a proportion (E. B. Wilson, 1927): unlike p +- z*se it stays inside [0, 1] and is honest for small n and extreme p.
// n == 0 gives [0, 1]. Precondition: 0 <= successes <= n.
[[nodiscard]] Interval wilson(std::int64_t successes, std::int64_t n, double z = kZ95);

// Exact McNemar test: two-sided p value that b and c, the discordant pairs of each kind, come from a fair coin:
// min(1, 2 P(X <= min(b, c))), X binomial (b + c, 1/2). No discordant pair gives 1. Precondition: b, c >= 0.
[[nodiscard]] double mcnemar_exact(std::int64_t b, std::int64_t c);

// Adjusted p values of a family of tests (S. Holm, 1979), in the order given.
[[nodiscard]] std::vector<double> holm(std::span<const double> p);

// Mean of nothing is 0 with n = 0.
[[nodiscard]] Mean mean_of(std::span<const double> values);
// Mean of a[i] - b[i]. Precondition: equal sizes.
[[nodiscard]] Mean paired_difference(std::span<const double> a, std::span<const double> b);

// Value below which `percent` of the values lie, linear between order statistics (numpy's default, R type 7).
// Preconditions: `sorted` ascending and not empty, percent in [0, 100].
[[nodiscard]] double percentile(std::span<const double> sorted, double percent);

// exp of a mean with its error to first order: perplexity from negative log-likelihoods.
[[nodiscard]] Estimate exp_of(const Mean& log_value);
// Perplexity of a over perplexity of b on the same tokens: exp of the mean difference of their negative log-likelihoods. The error comes
// from the paired differences. Precondition: equal sizes.
[[nodiscard]] Estimate perplexity_ratio(std::span<const double> nll_a, std::span<const double> nll_b);

}  // namespace jang::eval
