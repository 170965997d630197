// SPDX-License-Identifier: Apache-2.0
// Statistics against exhaustive enumeration where that is possible, against their definition, and against values of scipy 1.15 and numpy
// (binomtest, binomtest.proportion_ci(method="wilson"), stats.sem, numpy.percentile).
#include "eval/statistics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace jang::eval {
namespace {

TEST(Statistics, wilson_matches_scipy) {
  struct Row {
    std::int64_t k, n;
    double low, high;
  };
  for (const Row& r :
       {Row{0, 1, 0.0, 0.7934506856227626}, Row{1, 1, 0.20654931437723745, 1.0}, Row{173, 200, 0.8107086162924745, 0.9055342954521209},
        Row{172, 200, 0.8051011913429243, 0.9013301736654437}, Row{158, 200, 0.7283538314009753, 0.84071587930021},
        Row{0, 20, 0.0, 0.16112515805281935}, Row{20, 20, 0.8388748419471808, 1.0},
        Row{7019, 14042, 0.4915887765602982, 0.5081264416406386}, Row{3, 7, 0.1582198552514697, 0.7495416354723428}}) {
    const Interval i = wilson(r.k, r.n);
    EXPECT_NEAR(i.low, r.low, 1e-12) << r.k << " of " << r.n;
    EXPECT_NEAR(i.high, r.high, 1e-12) << r.k << " of " << r.n;
  }
}

TEST(Statistics, wilson_ends_are_where_the_score_test_turns) {
  for (std::int64_t n = 1; n <= 60; ++n) {
    for (std::int64_t k = 0; k <= n; ++k) {
      const double p = static_cast<double>(k) / static_cast<double>(n);
      const Interval i = wilson(k, n);
      EXPECT_LE(i.low, p);
      EXPECT_GE(i.high, p);
      for (const double end : {i.low, i.high})
        EXPECT_NEAR(std::abs(p - end), kZ95 * std::sqrt(end * (1 - end) / static_cast<double>(n)), 1e-9) << k << " of " << n;
    }
  }
}

TEST(Statistics, wilson_of_nothing_says_nothing) {
  EXPECT_EQ(wilson(0, 0).low, 0);
  EXPECT_EQ(wilson(0, 0).high, 1);
}

// Every outcome of n fair coins that is at least as far from even as the one seen.
double enumerated_mcnemar(int b, int c) {
  const int n = b + c;
  std::int64_t extreme = 0;
  for (std::uint32_t outcome = 0; outcome < (1u << n); ++outcome)
    extreme += std::abs(2 * std::popcount(outcome) - n) >= std::abs(b - c) ? 1 : 0;
  return static_cast<double>(extreme) / static_cast<double>(1u << n);
}

TEST(Statistics, mcnemar_equals_exhaustive_enumeration) {
  for (int b = 0; b <= 8; ++b)
    for (int c = 0; c <= 8; ++c) EXPECT_NEAR(mcnemar_exact(b, c), enumerated_mcnemar(b, c), 1e-12) << b << " " << c;
}

TEST(Statistics, mcnemar_matches_scipy) {
  struct Row {
    std::int64_t b, c;
    double p;
  };
  for (const Row& r : {Row{1, 0, 1.0}, Row{6, 0, 0.03125}, Row{10, 2, 0.03857421875}, Row{15, 5, 0.04138946533203125},
                       Row{27, 13, 0.03847730828420026}, Row{100, 120, 0.2000922290282712}, Row{3000, 3200, 0.011488253770871584},
                       Row{7, 7, 1.0}, Row{45, 3, 1.312585595769633e-10}, Row{500, 400, 0.0009564441369189373}}) {
    EXPECT_NEAR(mcnemar_exact(r.b, r.c) / r.p, 1, 1e-9) << r.b << " " << r.c;
    EXPECT_EQ(mcnemar_exact(r.b, r.c), mcnemar_exact(r.c, r.b));
  }
}

TEST(Statistics, holm_steps_down) {
  const std::vector<double> p = {0.01, 0.04, 0.03, 0.005, 0.9};
  const std::vector<double> expected = {0.04, 0.09, 0.09, 0.025, 0.9};
  const std::vector<double> adjusted = holm(p);
  ASSERT_EQ(adjusted.size(), expected.size());
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(adjusted[i], expected[i], 1e-15) << i;
  EXPECT_TRUE(holm({}).empty());
  for (const double a : holm(std::vector<double>{0.6, 0.7, 0.8})) EXPECT_EQ(a, 1);
}

// Holm is the closed test of Bonferroni tests: a hypothesis is rejected at level a when every set of hypotheses that holds it has a member
// with p <= a / size.
TEST(Statistics, holm_equals_the_closed_test) {
  const std::vector<double> p = {0.02, 0.5, 0.011, 0.04, 0.0101, 0.3};
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < p.size(); ++i) {
    double worst = 0;
    for (std::uint32_t set = 0; set < (1u << p.size()); ++set) {
      if (!(set >> i & 1)) continue;
      double best = 1;
      for (std::size_t j = 0; j < p.size(); ++j)
        if (set >> j & 1) best = std::min(best, p[j]);
      worst = std::max(worst, std::min(1.0, best * std::popcount(set)));
    }
    EXPECT_NEAR(adjusted[i], worst, 1e-15) << i;
  }
}

TEST(Statistics, mean_and_error_match_scipy) {
  const std::vector<double> x = {0.3, 1.7, -2.5, 9.25, 4.0, 4.0, 0.125};
  const Mean m = mean_of(x);
  EXPECT_EQ(m.n, 7);
  EXPECT_NEAR(m.mean, 2.4107142857142856, 1e-14);
  EXPECT_NEAR(m.standard_error, 1.4320092563262579, 1e-14);
  EXPECT_EQ(mean_of(std::vector<double>{5}).standard_error, 0);
  EXPECT_EQ(mean_of({}).n, 0);
}

TEST(Statistics, percentiles_match_numpy) {
  std::vector<double> x = {0.3, 1.7, -2.5, 9.25, 4.0, 4.0, 0.125};
  std::sort(x.begin(), x.end());
  const std::vector<std::pair<double, double>> rows = {{0, -2.5},   {10, -0.925}, {50, 1.7},      {90, 6.1},
                                                       {95, 7.675}, {99, 8.935},  {99.9, 9.2185}, {100, 9.25}};
  for (const auto& [percent, value] : rows) EXPECT_NEAR(percentile(x, percent), value, 1e-12) << percent;
  EXPECT_EQ(percentile(std::vector<double>{3}, 99.9), 3);
}

TEST(Statistics, paired_difference_removes_what_is_shared) {
  std::vector<double> a, b;
  for (int i = 0; i < 100; ++i) {
    const double shared = 10 * std::sin(i);
    a.push_back(shared + 0.5 + (i % 2 ? 0.01 : -0.01));
    b.push_back(shared);
  }
  const Mean d = paired_difference(a, b);
  EXPECT_NEAR(d.mean, 0.5, 1e-12);
  EXPECT_LT(d.standard_error, 0.002);
  EXPECT_GT(mean_of(a).standard_error, 0.5);
}

TEST(Statistics, perplexity_ratio_is_ratio_of_perplexities) {
  const std::vector<double> a = {1.0, 2.5, 0.25, 3.5}, b = {0.5, 2.0, 0.5, 3.0};
  const Estimate r = perplexity_ratio(a, b);
  EXPECT_NEAR(r.value, exp_of(mean_of(a)).value / exp_of(mean_of(b)).value, 1e-12);
  EXPECT_NEAR(r.standard_error, r.value * paired_difference(a, b).standard_error, 1e-15);
}

}  // namespace
}  // namespace jang::eval
