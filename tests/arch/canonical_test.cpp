// SPDX-License-Identifier: Apache-2.0
// A model in its own terms: canonical names and shapes whatever the source's spelling, and no trace of what a target makes of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "arch/arch.h"
#include "arch/describe.h"
#include "fake_model.h"
#include "format/targets/targets.h"

namespace jang::arch {
namespace {

using namespace testing;

TEST(Canonical, names_are_those_of_the_bare_decoder) {
  for (const NamedModel& m : all_models()) {
    SCOPED_TRACE(m.name);
    const auto model = targets::describe_canonical(m.model.config, m.model.tensors);
    ASSERT_TRUE(model.ok()) << model.status().message();
    for (const OutTensor& t : model->tensors) {
      EXPECT_TRUE(t.name.starts_with("model.") || t.name == "lm_head.weight" || t.name == "lm_head.bias") << t.name;
      EXPECT_EQ(t.name.find("language_model"), std::string::npos) << t.name;
      EXPECT_EQ(t.canonical, t.module);
      EXPECT_EQ(canonical_name(t), t.name);
    }
    EXPECT_TRUE(model->refusal.empty());
    EXPECT_TRUE(model->eight_bit_modules.empty());
  }
}

TEST(Canonical, every_spelling_of_experts_is_one_model) {
  std::map<std::string, Shape> first;
  for (const Experts how : {Experts::each, Experts::fused, Experts::stacked}) {
    const FakeModel m = qwen3_moe(how);
    const auto model = targets::describe_canonical(m.config, m.tensors);
    ASSERT_TRUE(model.ok()) << model.status().message();
    std::map<std::string, Shape> shapes;
    for (const OutTensor& t : model->tensors) shapes[t.name] = t.shape;
    EXPECT_EQ(shapes.at("model.layers.0.mlp.experts.gate_proj.weight"), (Shape{4, 64, 128}));
    EXPECT_EQ(shapes.at("model.layers.0.mlp.experts.down_proj.weight"), (Shape{4, 128, 64}));
    if (first.empty()) first = shapes;
    EXPECT_EQ(shapes, first);
  }
}

TEST(Canonical, convolutions_and_norms_are_those_of_the_published_model) {
  const FakeModel m = qwen3_5(false, true);
  const auto model = describe(m.config, m.tensors);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(find(*model, "model.layers.0.linear_attn.conv1d.weight")->shape, (Shape{192, 1, 4}));
  EXPECT_EQ(find(*model, "model.layers.0.input_layernorm.weight")->add, 1.0f);
  EXPECT_EQ(find(*model, "model.layers.0.linear_attn.norm.weight")->add, 0.0f);
  const auto converted = describe(m.config, m.tensors, {.file_format = "", .plain_norms = true});
  ASSERT_TRUE(converted.ok());
  EXPECT_EQ(find(*converted, "model.layers.0.input_layernorm.weight")->add, 0.0f);
}

// Spelling is one to one: names differ, canonical names and pieces do not.
TEST(Canonical, spelled_models_remember_their_canonical_names) {
  for (const NamedModel& m : all_models()) {
    SCOPED_TRACE(m.name);
    const auto canonical = targets::describe_canonical(m.model.config, m.model.tensors);
    const auto spelled = m.model.describe();
    ASSERT_TRUE(canonical.ok() && spelled.ok());
    const auto n_towers = std::ranges::count(spelled->tensors, Role::vision, &OutTensor::role);  // behind the text model
    ASSERT_EQ(canonical->tensors.size() + static_cast<std::size_t>(n_towers), spelled->tensors.size());
    for (std::size_t i = 0; i < canonical->tensors.size(); ++i) {
      const OutTensor &c = canonical->tensors[i], &s = spelled->tensors[i];
      EXPECT_EQ(canonical_name(s), c.name);
      EXPECT_EQ(s.unit, c.unit);
      EXPECT_EQ(s.role, c.role);
      EXPECT_EQ(elements(s.shape), elements(c.shape));
    }
  }
}

}  // namespace
}  // namespace jang::arch
