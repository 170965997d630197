// SPDX-License-Identifier: Apache-2.0
// What the targets awq, gptq and vllm-humming make of the families: names as published, fused maps alike, what stays in 16 bits and why,
// and plans that keep to the rules for every model.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "../../arch/fake_model.h"
#include "format/targets/awq/gemm.h"
#include "format/targets/layout.h"
#include "format/targets/targets.h"
#include "plan/make_plan.h"

namespace jang::targets {
namespace {

arch::Model spelled(const arch::testing::FakeModel& m, std::string_view target) {
  auto model = describe_source(m.config, m.tensors, {}, *find_target(target));
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? std::move(model).value() : arch::Model{};
}

TEST(EngineSpelling, what_stays_in_16_bits_says_why) {
  for (const std::string_view target : {"awq", "gptq", "vllm-humming"}) {
    for (const arch::testing::NamedModel& named : arch::testing::all_models()) {
      SCOPED_TRACE(std::string(target) + " " + named.name);
      for (const arch::OutTensor& t : spelled(named.model, target).tensors) {
        EXPECT_EQ(t.add, 0) << t.name;
        const bool special = t.role == arch::Role::embedding || t.role == arch::Role::tied_embedding || t.role == arch::Role::lm_head ||
                             t.role == arch::Role::router;
        if (special && t.shape.size() >= 2) {
          EXPECT_FALSE(t.quantizable) << t.name;
        }
        if (t.quantizable) {
          EXPECT_TRUE(t.kept.empty());
          EXPECT_EQ(awq::matrix_rows(t) % (target == "gptq" ? 32 : target == "awq" ? 8 : 1), 0) << t.name;
        }
      }
    }
  }
}

// Copies for MLX store convolutions as [channels, taps, 1]: every row of the source is counted, whichever form it has.
TEST(EngineSpelling, pieces_are_rows_of_what_is_stored) {
  int n_convolutions = 0;
  for (const arch::testing::NamedModel& named : arch::testing::all_models()) {
    SCOPED_TRACE(named.name);
    const auto copy = describe_source(named.model.config, named.model.tensors);
    ASSERT_TRUE(copy.ok()) << copy.status().message();
    std::vector<TensorInfo> stored;
    for (const arch::OutTensor& t : copy->tensors) stored.push_back({t.name, DType::bf16, t.shape});
    for (const std::string_view target : {"vllm", "awq", "gptq", "vllm-humming"}) {
      const auto model = describe_source(copy->config, stored, {.file_format = "mlx"}, *find_target(target));
      if (!model.ok()) continue;  // forms that only the source has
      for (const arch::OutTensor& t : model->tensors) {
        if (t.role != arch::Role::conv) continue;
        ++n_convolutions;
        std::int64_t n = 0;
        for (const arch::Piece& p : t.pieces) n += p.n_rows * columns(stored[static_cast<std::size_t>(p.source)].shape);
        EXPECT_EQ(n, elements(t.shape)) << target << " " << t.name;
      }
    }
  }
  EXPECT_GT(n_convolutions, 20);
}

// A matrix whose rows do not fit keeps what it is fused with in 16 bits too.
TEST(EngineSpelling, fused_maps_are_kept_together) {
  std::map<std::string, std::set<bool>> packs;
  for (const arch::testing::NamedModel& named : arch::testing::all_models())
    for (const std::string_view target : {"awq", "gptq"})
      for (const arch::OutTensor& t : spelled(named.model, target).tensors)
        if (t.shape.size() >= 2 && !t.unit.empty() && (t.quantizable || t.kept.find("fused map") != std::string::npos))
          packs[named.name + std::string(target) + t.unit].insert(t.quantizable);
  EXPECT_GT(packs.size(), 20u);
  for (const auto& [unit, kinds] : packs) EXPECT_EQ(kinds.size(), 1u) << unit;
}

// Sizes that the planner counts with are those of the parts, and a plan that is made keeps to the rules.
TEST(EngineSpelling, plans_and_sizes_follow_the_rules) {
  int n_plans = 0;
  for (const std::string_view name : {"awq", "gptq", "vllm-humming"}) {
    const Target& target = *find_target(name);
    const Rules rules = target.rules();
    for (const arch::testing::NamedModel& named : arch::testing::all_models()) {
      SCOPED_TRACE(std::string(name) + " " + named.name);
      const arch::Model model = spelled(named.model, name);
      plan::Options options;
      options.target = &target;
      options.profile = "uniform_4";
      const auto plan = plan::make_plan(model, options);
      if (!plan.ok() && !model.refusal.empty()) continue;  // vLLM does not open it anyway
      ASSERT_TRUE(plan.ok()) << plan.status().message();
      std::set<plan::Choice> choices;
      for (std::size_t i = 0; i < plan->tensors.size(); ++i) {
        const plan::TensorPlan& p = plan->tensors[i];
        const arch::OutTensor& t = model.tensors[i];
        if (p.choice.bits != 0) choices.insert(p.choice);
        EXPECT_TRUE(p.choice.bits == 0 || rules.allows(p.choice.bits));
        const codec::WeightFormat* format =
            p.choice.bits == 0 ? nullptr : codec::find_format(target.kind(t), p.choice.bits, p.choice.group_size);
        std::uint64_t bytes = 0;
        for (const StoredPart& part : target.parts(t, format, plan->dtype)) {
          bytes += static_cast<std::uint64_t>(part.info.bytes());
          EXPECT_TRUE(part.content.empty() || static_cast<std::size_t>(part.info.bytes()) % part.content.size() == 0) << part.info.name;
        }
        EXPECT_EQ(bytes, target.bytes(t, format, plan->dtype)) << t.name;
      }
      EXPECT_LE(choices.size(), 1u);
      n_plans += static_cast<int>(choices.size());
    }
  }
  EXPECT_GT(n_plans, 8);
}

}  // namespace
}  // namespace jang::targets
