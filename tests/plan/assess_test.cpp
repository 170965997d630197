// SPDX-License-Identifier: Apache-2.0
// Profiles compared with what others would make of their bytes.
#include "plan/assess.h"

#include <gtest/gtest.h>

#include "models.h"
#include "plan/layout.h"
#include "plan/make_plan.h"

namespace jang::plan {
namespace {

using testing::plan_of;

using testing::ModelBuilder;

// A dense model whose MLP is most of it: two bits there cost more than what eight bits elsewhere bring.
arch::Model dense() {
  ModelBuilder b("llama", 2, 0);
  b.add("model.embed_tokens", arch::Role::embedding, {4096, 512});
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    b.attention(prefix, 512, 512, 128, layer);
    b.add(prefix + "mlp.gate_proj", arch::Role::mlp_gate, {2048, 512}, layer);
    b.add(prefix + "mlp.up_proj", arch::Role::mlp_up, {2048, 512}, layer);
    b.add(prefix + "mlp.down_proj", arch::Role::mlp_down, {512, 2048}, layer);
  }
  b.add("lm_head", arch::Role::lm_head, {4096, 512});
  return b.take();
}

TEST(Assess, damage_falls_with_bits) {
  const arch::Model model = dense();
  EXPECT_GT(expected_damage(model, plan_of(model, "uniform_2")), expected_damage(model, plan_of(model, "uniform_3")));
  EXPECT_GT(expected_damage(model, plan_of(model, "uniform_3")), expected_damage(model, plan_of(model, "uniform_4")));
}

TEST(Assess, two_bit_mlps_of_a_dense_model_are_called_a_poor_use_of_bytes) {
  const arch::Model model = dense();
  const Plan plan = plan_of(model, "JANG_2L");
  Options options;
  options.profile = "JANG_2L";
  const auto better = better_profile(model, plan, options);
  ASSERT_TRUE(better.has_value());
  EXPECT_LE(better->file_bytes, make_layout(model, plan).file_bytes);
  EXPECT_GE(better->times_less, kClearly);
  EXPECT_NEAR(better->times_less, expected_damage(model, plan) / expected_damage(model, plan_of(model, better->profile)), 1e-9);
}

TEST(Assess, a_budget_by_role_has_no_better_profile) {
  const arch::Model model = dense();
  for (const std::string profile : {"JANG_3K", "JANG_4K", "JANG_6K"}) {
    Options options;
    options.profile = profile;
    EXPECT_FALSE(better_profile(model, plan_of(model, profile), options).has_value()) << profile;
  }
}

}  // namespace
}  // namespace jang::plan
