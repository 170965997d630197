// SPDX-License-Identifier: Apache-2.0
// What vLLM's rules make of the families: names as published, what shares a scheme, what stays in 16 bits, what is refused.
#include "format/targets/compressed_tensors/spelling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "../../../arch/fake_model.h"
#include "arch/units.h"
#include "format/targets/compressed_tensors/compressed_tensors.h"
#include "format/targets/compressed_tensors/quantization_config.h"
#include "format/targets/targets.h"

namespace jang::targets::compressed_tensors {
namespace {

arch::Model described(const arch::testing::FakeModel& m, const Target& target = vllm()) {
  auto model = describe_source(m.config, m.tensors, {}, target);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? std::move(model).value() : arch::Model{};
}

// Last components of the modules of the unit that holds a module.
std::set<std::string> unit_of(const arch::Model& model, const std::string& module) {
  std::set<std::string> names;
  for (const arch::Unit& unit : arch::units_of(model)) {
    std::set<std::string> found;
    bool here = false;
    for (const int i : unit.tensors) {
      const std::string& path = model.tensors[static_cast<std::size_t>(i)].module;
      found.insert(path.substr(path.rfind('.') + 1));
      here = here || path == module;
    }
    if (here) names = found;
  }
  return names;
}

using Names = std::set<std::string>;

TEST(VllmSpelling, fused_modules_share_a_unit) {
  const arch::Model dense = described(arch::testing::dense("qwen3"));
  EXPECT_EQ(unit_of(dense, "model.layers.1.self_attn.k_proj"), (Names{"q_proj", "k_proj", "v_proj"}));
  EXPECT_EQ(unit_of(dense, "model.layers.1.self_attn.o_proj"), Names{"o_proj"});
  EXPECT_EQ(unit_of(dense, "model.layers.0.mlp.up_proj"), (Names{"gate_proj", "up_proj"}));
  EXPECT_EQ(unit_of(dense, "model.layers.0.mlp.down_proj"), Names{"down_proj"});
  const arch::Model moe = described(arch::testing::qwen3_moe(arch::testing::Experts::each));
  EXPECT_EQ(unit_of(moe, "model.layers.0.mlp.experts.down_proj"), (Names{"gate_proj", "up_proj", "down_proj"}));
  const arch::Model next = described(arch::testing::qwen3_next());
  EXPECT_EQ(unit_of(next, "model.layers.0.linear_attn.in_proj_qkvz"), Names{"in_proj_qkvz"});
}

TEST(VllmSpelling, embeddings_and_routers_stay_in_16_bits_and_say_why) {
  for (const arch::testing::NamedModel& named : arch::testing::all_models()) {
    for (const arch::OutTensor& t : described(named.model).tensors) {
      const bool special = t.role == arch::Role::embedding || t.role == arch::Role::tied_embedding || t.role == arch::Role::router ||
                           t.role == arch::Role::shared_router || t.role == arch::Role::linear_attn_ab;
      if (!special) continue;
      EXPECT_FALSE(t.quantizable) << named.name << " " << t.name;
      EXPECT_NE(t.kept.find("16 bits"), std::string::npos) << t.name;
    }
  }
}

TEST(VllmSpelling, norms_are_as_published) {
  for (const arch::testing::NamedModel& named : arch::testing::all_models())
    for (const arch::OutTensor& t : described(named.model).tensors) EXPECT_EQ(t.add, 0.0f) << named.name << " " << t.name;
}

TEST(VllmSpelling, a_unit_whose_zero_points_would_not_fill_words_is_symmetric) {
  arch::testing::FakeModel odd = arch::testing::dense("llama");
  odd.config["intermediate_size"] = 240;
  for (TensorInfo& t : odd.tensors) {
    if (t.name.find("gate_proj") != std::string::npos || t.name.find("up_proj") != std::string::npos) t.shape[0] = 240;
    if (t.name.find("down_proj") != std::string::npos) t.shape[1] = 240;
  }
  const arch::Model model = described(odd);
  for (const arch::OutTensor& t : model.tensors) {
    if (!t.quantizable) continue;
    EXPECT_EQ(t.symmetric, t.role == arch::Role::mlp_gate || t.role == arch::Role::mlp_up) << t.name;
    EXPECT_EQ(vllm().kind(t), t.symmetric ? codec::Kind::symmetric : codec::Kind::integer_zero);
  }
  EXPECT_TRUE(std::ranges::any_of(model.warnings, [](const std::string& w) { return w.find("zero points") != std::string::npos; }));
  for (const arch::OutTensor& t : described(odd, vllm_symmetric()).tensors) EXPECT_TRUE(t.symmetric) << t.name;
}

TEST(VllmSpelling, families_that_its_classes_would_not_find_whole_are_refused) {
  EXPECT_TRUE(described(arch::testing::dense("llama")).refusal.empty());
  EXPECT_TRUE(described(arch::testing::gemma3_text()).refusal.empty());
  EXPECT_NE(described(arch::testing::qwen3_5(false, true)).refusal, "");
  EXPECT_TRUE(described(arch::testing::qwen3_next()).refusal.empty());
  arch::testing::FakeModel copy = arch::testing::qwen3_next();  // as MLX's tools convert it: norms shifted, taps last but one
  for (TensorInfo& t : copy.tensors)
    if (t.name.ends_with("conv1d.weight")) std::swap(t.shape[1], t.shape[2]);
  EXPECT_NE(described(copy).refusal.find("converted copy"), std::string::npos);
}

// The expressions fit the modules that they were made of, and no other.
TEST(VllmSpelling, patterns_fit_exactly_the_modules_they_stand_for) {
  const std::vector<std::string> named = {"model.layers.1.self_attn.q_proj", "model.layers.11.self_attn.q_proj",
                                          "model.layers.1.mlp.down_proj", "model.layers.3.mlp.experts.0.up_proj", "lm_head"};
  const std::vector<std::string> others = {"model.layers.2.self_attn.q_proj",      "model.layers.111.self_attn.q_proj",
                                           "model.layers.1.self_attn.q_proj_x",    "model.layers.11.mlp.down_proj",
                                           "model.layers.1.mlp.experts.0.up_proj", "x.lm_head"};
  const std::vector<std::string> made = patterns(named);
  EXPECT_EQ(made.size(), 4u);
  const auto fits = [&](const std::string& module) {
    return std::ranges::any_of(made, [&](const std::string& p) {
      return p.starts_with("re:") ? std::regex_search(module, std::regex(p.substr(3))) : p == module;
    });
  };
  for (const std::string& module : named) EXPECT_TRUE(fits(module)) << module;
  EXPECT_TRUE(fits("model.layers.3.mlp.experts.17.up_proj"));
  for (const std::string& module : others) EXPECT_FALSE(fits(module)) << module;
}

}  // namespace
}  // namespace jang::targets::compressed_tensors
