// SPDX-License-Identifier: Apache-2.0
// Step sizes by width, and over a run.
#include "distill/rates.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace jang::distill
