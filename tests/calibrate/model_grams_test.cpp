// SPDX-License-Identifier: Apache-2.0
// Gram matrices of a running model: their diagonals against the moments measured another way, stages in any subset, experts drawn together.
#include "calibrate/model_grams.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "bundled_model.h"
#include "calibrate/moments.h"

namespace jang::calibrate {
namespace {

int tensor_of(const engine::Engine& engine, const std::string& module) {
  const auto& tensors = engine.described().tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].module == module) return static_cast<int>(i);
  ADD_FAILURE() << "no module " << module;
  return 0;
}

// Mean squares with the damping that a Gram matrix adds.
std::vector<double> damped_diagonal(const format::InputStatistics& s, std::size_t expert, double shrink) {
  const auto n = static_cast<std::size_t>(s.in());
  std::vector<double> all(n), diagonal(n);
  double total = 0, mean = 0;
  for (std::size_t e = 0; e < s.tokens.size(); ++e) {
    for (std::size_t j = 0; j < n; ++j) all[j] += static_cast<double>(s.tokens[e]) * s.mean_square[e * n + j];
    total += static_cast<double>(s.tokens[e]);
  }
  const auto seen = static_cast<double>(s.tokens[expert]);
  for (std::size_t j = 0; j < n; ++j) {
    diagonal[j] = (seen * s.mean_square[expert * n + j] + shrink * all[j] / total) / (seen + shrink);
    mean += diagonal[j] / static_cast<double>(n);
  }
  for (double& d : diagonal) d += kernels::kGramDamping * mean + (d > 0 ? 0 : 1);
  return diagonal;
}

class CalibrateGrams : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = load();
    ASSERT_TRUE(engine_);
    const auto sampled = random_windows(*engine_, {.n_windows = 3, .length = 40, .seed = 5});
    ASSERT_TRUE(sampled.ok());
    windows_ = *sampled;
  }
  // Diagonal of what `grams` has for a module against the moments.
  void expect_diagonal(const ModelGrams& grams, const std::string& module, std::size_t expert) {
    const kernels::Gram* gram = grams.of(tensor_of(*engine_, module), static_cast<std::int64_t>(expert));
    ASSERT_NE(gram, nullptr) << module;
    const format::InputStatistics& s = moments_.at(module);
    const std::vector<double> expected = damped_diagonal(s, expert, s.tokens.size() > 1 ? 64 : 0);
    ASSERT_EQ(gram->n, s.in());
    for (std::int64_t j = 0; j < gram->n; ++j)
      ASSERT_NEAR(gram->matrix.get()[j * gram->n + j], expected[static_cast<std::size_t>(j)], 1e-4 * expected[static_cast<std::size_t>(j)])
          << module << " " << j;
  }

  std::unique_ptr<engine::Engine> engine_;
  Windows windows_;
  std::map<std::string, format::InputStatistics> moments_;
};

TEST_F(CalibrateGrams, diagonals_are_the_moments) {
  auto moments = measure_moments(*engine_, windows_, silent, nullptr);
  ASSERT_TRUE(moments.ok());
  moments_ = std::move(moments).value();
  ModelGrams grams(*engine_, engine_->described(), windows_, nullptr);
  const int n_layers = engine_->described().n_layers;
  ASSERT_GT(n_layers, 2);
  for (const int stage : {0, 2, n_layers}) {  // stages that nobody asks for are passed through
    ASSERT_TRUE(grams.prepare(stage).ok());
    if (stage == n_layers) {
      expect_diagonal(grams, "lm_head", 0);
      continue;
    }
    const std::string layer = "model.layers." + std::to_string(stage) + ".";
    for (const char* module : {"self_attn.q_proj", "self_attn.o_proj"}) expect_diagonal(grams, layer + module, 0);
    for (const std::size_t expert : {0u, 7u, 15u})
      for (const char* module : {"mlp.experts.up_proj", "mlp.experts.down_proj"}) expect_diagonal(grams, layer + module, expert);
    // Maps that share their inputs share the matrix.
    EXPECT_EQ(grams.of(tensor_of(*engine_, layer + "self_attn.q_proj"), 0), grams.of(tensor_of(*engine_, layer + "self_attn.v_proj"), 0));
  }
  EXPECT_EQ(grams.of(tensor_of(*engine_, "model.embed_tokens"), 0), nullptr);  // only looked up
}

TEST_F(CalibrateGrams, threads_do_not_change_a_bit) {
  const auto alone = load(1);
  ASSERT_TRUE(alone);
  ModelGrams two(*engine_, engine_->described(), windows_, nullptr), one(*alone, alone->described(), windows_, nullptr);
  ASSERT_TRUE(two.prepare(1).ok());
  ASSERT_TRUE(one.prepare(1).ok());
  for (const char* module : {"model.layers.1.self_attn.o_proj", "model.layers.1.mlp.experts.down_proj"}) {
    const kernels::Gram *a = two.of(tensor_of(*engine_, module), 0), *b = one.of(tensor_of(*alone, module), 0);
    ASSERT_TRUE(a != nullptr && b != nullptr);
    EXPECT_TRUE(std::equal(a->factor.get(), a->factor.get() + a->n * a->n, b->factor.get())) << module;
  }
}

TEST_F(CalibrateGrams, a_stop_is_heeded) {
  const CancelFlag cancel{true};
  ModelGrams grams(*engine_, engine_->described(), windows_, &cancel);
  EXPECT_EQ(grams.prepare(0).code(), StatusCode::cancelled);
}

}  // namespace
}  // namespace jang::calibrate
