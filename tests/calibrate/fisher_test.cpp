// SPDX-License-Identifier: Apache-2.0
// The Fisher diagonal: cotangents have the covariance they should, squares add up the same for any number of threads, and what they promise
// is what trials measure, where there is no router.
#include "calibrate/fisher.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bundled_model.h"
#include "calibrate/sensitivity.h"
#include "kernels/host_ops.h"

namespace jang::calibrate {
namespace {

SilentObserver silent;

TEST(CalibrateFisher, cotangents_have_the_covariance_of_the_softmax) {
  const std::vector<float> logits = {1.0f, -0.5f, 2.0f, 0.3f, -30.0f};
  const double total = std::exp(kernels::log_sum_exp(logits.data(), 5));
  std::vector<double> sum(25);
  constexpr int kDraws = 40000;
  for (int t = 0; t < kDraws; ++t) {
    std::vector<float> eps = logits;
    cotangent(eps, 3, t % 7, t);
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < 5; ++j) sum[i * 5 + j] += static_cast<double>(eps[i]) * static_cast<double>(eps[j]) / kDraws;
  }
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 5; ++j) {
      const double p = std::exp(static_cast<double>(logits[i])) / total, q = std::exp(static_cast<double>(logits[j])) / total;
      EXPECT_NEAR(sum[i * 5 + j], (i == j ? p : 0.0) - p * q, 0.006) << i << " " << j;  // five deviations of the mean
    }
}

TEST(CalibrateFisher, one_word_of_probability_one_has_no_cotangent) {
  std::vector<float> logits = {-1000.0f, 50.0f, -1000.0f};
  cotangent(logits, 1, 0, 0);
  for (const float v : logits) EXPECT_EQ(v, 0.0f);
}

TEST(CalibrateFisher, rows_and_columns_have_one_total_and_threads_change_nothing) {
  const auto one = load(1), two = load(2);
  ASSERT_TRUE(one && two);
  const auto windows = random_windows(*one, {.n_windows = 2, .length = 40, .seed = 5});
  ASSERT_TRUE(windows.ok());
  const auto a = measure_fisher(*one, *windows, 7, silent, nullptr), b = measure_fisher(*two, *windows, 7, silent, nullptr);
  ASSERT_TRUE(a.ok() && b.ok()) << a.status().message();
  EXPECT_EQ(a->positions, 2 * 39);
  for (const auto& [module, f] : a->by_module) {
    EXPECT_EQ(f.rows, b->by_module.at(module).rows) << module;
    EXPECT_EQ(f.columns, b->by_module.at(module).columns) << module;
    for (std::int64_t e = 0; e < f.n; ++e) {
      double rows = 0, columns = 0;
      for (std::int64_t i = 0; i < f.out(); ++i) rows += static_cast<double>(f.rows[static_cast<std::size_t>(e * f.out() + i)]);
      for (std::int64_t j = 0; j < f.in(); ++j) columns += static_cast<double>(f.columns[static_cast<std::size_t>(e * f.in() + j)]);
      EXPECT_NEAR(rows, columns, 1e-5 * rows) << module;
    }
  }
  EXPECT_NE(a->by_module.at("lm_head").rows, measure_fisher(*two, *windows, 8, silent, nullptr)->by_module.at("lm_head").rows);
}

// The head is behind every router: half the Fisher form of its rounding errors against a trial.
TEST(CalibrateFisher, promises_what_a_trial_of_the_head_measures) {
  const auto engine = load();
  ASSERT_TRUE(engine);
  const auto windows = sample_windows(*engine, {.n_windows = 2, .length = 128, .seed = 5}, silent, nullptr);
  ASSERT_TRUE(windows.ok());
  const auto fisher = measure_fisher(*engine, *windows, 1, silent, nullptr);
  ASSERT_TRUE(fisher.ok()) << fisher.status().message();
  const format::FisherStatistics& f = fisher->by_module.at("lm_head");
  const quantize::Importance none;
  auto lab = Laboratory::create(*engine, *windows, 256, none, {});
  ASSERT_TRUE(lab.ok()) << lab.status().message();
  const arch::Unit* head = nullptr;
  for (const arch::Unit& u : lab->units())
    if (u.name == "lm_head") head = &u;
  ASSERT_NE(head, nullptr);
  const Storage source = current_storage(*engine, *head);
  double total = 0;
  for (const float r : f.rows) total += static_cast<double>(r);
  for (const int bits : {3, 4, 6}) {
    std::vector<Trial> trials = {{head, {bits, 64}, 0, 0}};
    ASSERT_TRUE(lab->run(trials, silent, nullptr).ok());
    const auto stored = encode_unit(*engine, *head, source, {bits, 64}, none, {});
    ASSERT_TRUE(stored.ok());
    std::vector<float> a(static_cast<std::size_t>(f.in())), b(a.size());
    double promised = 0;
    for (std::int64_t r = 0; r < f.out(); ++r) {
      kernels::dequantize_row(source.modules[0].views[0], r, a.data());
      kernels::dequantize_row(stored->modules[0].views[0], r, b.data());
      for (std::size_t j = 0; j < a.size(); ++j) {
        const double off = static_cast<double>(a[j]) - static_cast<double>(b[j]);
        promised += 0.5 * static_cast<double>(f.rows[static_cast<std::size_t>(r)]) * static_cast<double>(f.columns[j]) / total * off * off;
      }
    }
    promised /= static_cast<double>(fisher->positions);
    EXPECT_NEAR(promised / trials[0].divergence, 1, 0.15) << bits;  // 256 positions
  }
}

}  // namespace
}  // namespace jang::calibrate
