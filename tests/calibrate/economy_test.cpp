// SPDX-License-Identifier: Apache-2.0
#include "calibrate/economy.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace jang::calibrate {
namespace {

double cost(double pass, const Economy& e) { return pass * static_cast<double>(e.n_widths) / e.layer_stride; }

TEST(Economy, nothing_is_left_out_when_there_is_time) {
  for (const double budget : {0.0, 300.0, 1e9}) {
    const Economy e = economise(100, 3, 32, budget);
    EXPECT_EQ(e.n_widths, 3u);
    EXPECT_EQ(e.layer_stride, 1);
  }
}

TEST(Economy, layers_go_before_widths) {
  const Economy half = economise(100, 3, 32, 150);
  EXPECT_EQ(half.n_widths, 3u);
  EXPECT_EQ(half.layer_stride, 2);
  // Six layers of 32 at most three widths, then six at two, then fewer layers, and one width only when there is nothing else to cut.
  EXPECT_EQ(economise(100, 3, 32, 60).layer_stride, 5);
  EXPECT_EQ(economise(100, 3, 32, 60).n_widths, 3u);
  EXPECT_EQ(economise(100, 3, 32, 59).n_widths, 2u);
  EXPECT_EQ(economise(100, 3, 32, 20).layer_stride, 10);
  EXPECT_EQ(economise(100, 3, 32, 20).n_widths, 2u);
}

TEST(Economy, more_time_never_measures_less_and_the_budget_holds_until_there_is_nothing_left_to_cut) {
  for (const int n_layers : {0, 1, 5, 6, 7, 48}) {
    double before = 0;
    for (double budget = 1; budget < 400; budget *= 1.1) {
      const Economy e = economise(100, 3, n_layers, budget);
      const double c = cost(100, e);
      EXPECT_TRUE(c <= budget || (e.n_widths == 1 && e.layer_stride >= n_layers)) << n_layers << " layers, " << budget << " s";
      EXPECT_GE(c * 1.5, before) << n_layers << " layers, " << budget << " s";  // widths are cut in halves and thirds
      before = std::max(before, c);
    }
  }
}

}  // namespace
}  // namespace jang::calibrate
