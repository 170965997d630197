// SPDX-License-Identifier: Apache-2.0
// Counts of operations against counts by hand, and estimates of a real model: every level takes more than the one below.
#include "api/effort_work.h"

#include <gtest/gtest.h>

#include "../support/bundled_model.h"
#include "quantize/source.h"

namespace jang {
namespace {

double seconds_of(const std::vector<WorkPart>& parts, std::string_view name) {
  for (const WorkPart& part : parts)
    if (part.name == name) return part.cost.wall;
  return -1;
}

// The bundled mixture: 4 layers, hidden 256, 16 experts (2 chosen) of 128, 4 heads of 64, vocabulary 4096.
class Effort : public testing::Test {
 protected:
  quantize::Source source = quantize::open_source(test::kBundledModel).value();
  arch::DecoderConfig config = arch::decoder_config(source.model).value();
  plan::Options planner{};
  Speeds speeds{};
  [[nodiscard]] EffortWork work() const { return EffortWork(source.model, &config, planner, speeds); }
};

TEST_F(Effort, counts_the_products_of_gram_matrices) {
  speeds.encode.gram = {1, 0};
  calibrate::Options o;
  o.windows = {.n_windows = 2, .length = 8};
  const auto& attention = std::get<arch::AttentionSpec>(config.layers.front().mixer);
  const auto& experts = std::get<arch::ExpertsSpec>(config.layers.front().ffn);
  const auto square = [](std::int64_t n) { return static_cast<double>(n * n); };
  const double top = static_cast<double>(experts.top_k);
  const double of_layer = square(config.hidden) + square(attention.out_size()) + top * (square(config.hidden) + square(experts.expert.ffn));
  const double a_token = (static_cast<double>(config.n_layers()) * of_layer + square(config.hidden)) / 2;
  EXPECT_DOUBLE_EQ(seconds_of(work().conversion(plan::Method::gptq, &o, 1), "grams"), 16 * a_token);
}

TEST_F(Effort, counts_the_tokens_of_a_training) {
  speeds.pass.layers = {1, 0};
  DistillationOptions o;
  o.steps = 12;
  o.windows = 2;
  o.window_length = 8;
  o.rate = 1;
  // Twice forwards a token of a step; both models over 16 windows held out, after each of the 12 steps.
  EXPECT_DOUBLE_EQ(seconds_of(work().distillation(o), "train"), 12 * 16 * 2 + 12 * 2 * 16 * 8);
  EXPECT_DOUBLE_EQ(seconds_of(work().distillation(o), "rate"), -1);
  o.rate = 0;  // at least two short runs of ten steps
  EXPECT_DOUBLE_EQ(seconds_of(work().distillation(o), "rate"), 2 * (10 * 16 * 2 + 2 * 16 * 8));
  speeds.pass = {};
  speeds.trained = {1, 0};
  double weights = 0;
  for (const arch::OutTensor& t : source.model.tensors)
    if (t.quantizable) weights += static_cast<double>(elements(t.shape));
  EXPECT_DOUBLE_EQ(seconds_of(work().distillation(o), "train"), 12 * weights);
}

TEST_F(Effort, levels_are_sums_of_their_parts_the_largest_first) {
  const EffortLevel level = level_of(3, {{"text", {1, 2}}, {"grams", {5, 8}}, {"none", {}}});
  EXPECT_EQ(level.level, 3);
  EXPECT_EQ(level.seconds, 6);
  EXPECT_EQ(level.cpu_seconds, 10);
  ASSERT_EQ(level.parts.size(), 2u);
  EXPECT_EQ(level.parts.front().name, "grams");
}

TEST(EffortEstimate, every_level_takes_more_than_the_one_below) {
  PlanOptions options;
  options.bits_per_weight = 3.5;
  const auto levels = estimate_effort(test::kBundledModel, options, kMostEffort, {}, {.threads = 2});
  ASSERT_TRUE(levels.ok()) << levels.status().message();
  ASSERT_EQ(levels->size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_TRUE((*levels)[i].refusal.empty());
    EXPECT_GT((*levels)[i].cpu_seconds, i == 0 ? 0 : (*levels)[i - 1].cpu_seconds) << i;
  }
  EXPECT_EQ((*levels)[4].parts.front().name, "train");
  EXPECT_EQ(estimate_effort(test::kBundledModel, options, 5).status().code(), StatusCode::invalid_argument);
  const auto calibration = estimate_calibration(test::kBundledModel, {}, {.threads = 2});
  ASSERT_TRUE(calibration.ok()) << calibration.status().message();
  EXPECT_GT(calibration->seconds, 0);
}

}  // namespace
}  // namespace jang
