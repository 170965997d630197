// SPDX-License-Identifier: Apache-2.0
// Step sizes by width, and over a run.
#include "distill/rates.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace jang::distill {
namespace {

TEST(DistillRates, fall_with_the_width_and_biases_stay_constant_in_codes) {
  const Rates two = rates_of(2, false), eight = rates_of(8, false);
  EXPECT_FLOAT_EQ(two.scales, 5e-3f);
  EXPECT_FLOAT_EQ(two.latents, 6e-3f);
  EXPECT_FLOAT_EQ(two.biases, 0.02f);
  EXPECT_NEAR(eight.scales, 5e-3 * 0.16494, 1e-7);  // (1/4)^1.3
  EXPECT_FLOAT_EQ(eight.biases, 4 * eight.scales);  // not times 2^bits
  EXPECT_FLOAT_EQ(rates_of(4, true).latents, 0.3f * rates_of(4, false).latents);
}

TEST(DistillRates, a_run_warms_up_and_falls_to_nothing) {
  EXPECT_NEAR(schedule(0, 100), 0.2, 1e-3);  // a fifth of the way through 5 steps
  EXPECT_NEAR(schedule(50, 100), 0.5, 1e-9);
  EXPECT_LT(schedule(99, 100), 1e-3);
  for (int step = 5; step < 99; ++step) EXPECT_GT(schedule(step, 100), schedule(step + 1, 100));
  EXPECT_NEAR(schedule(0, 1), 1, 1e-9);
}

TEST(DistillRates, multipliers_fall_until_one_is_worse) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<DistillationTrial> done;
  EXPECT_EQ(next_multiplier(done), 1);
  done.push_back({1, 0.3});
  EXPECT_EQ(next_multiplier(done), 0.5);  // the first is taken only when the second is worse
  done.push_back({0.5, 0.2});
  EXPECT_EQ(next_multiplier(done), 0.25);
  done.push_back({0.25, 0.25});
  EXPECT_FALSE(next_multiplier(done));
  EXPECT_EQ(best_multiplier(done), 0.5);
  std::vector<DistillationTrial> wild = {{1, kInfinity}, {0.5, kInfinity}};
  EXPECT_EQ(next_multiplier(wild), 0.25);
  while (const auto next = next_multiplier(wild)) wild.push_back({*next, kInfinity});
  EXPECT_EQ(best_multiplier(wild), wild.back().rate);
  EXPECT_EQ(trial_steps(300), 50);
  EXPECT_EQ(trial_steps(4), 4);
}

}  // namespace
}  // namespace jang::distill
