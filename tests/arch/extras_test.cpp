// SPDX-License-Identifier: Apache-2.0
// What a checkpoint holds besides weights: buffers, wrappers around names, tensors that no index lists or that lie in stray files. A listed
// family comes out as if they were not there; an unlisted one loses what no model class keeps.
#include "arch/extras.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "arch/describe.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

std::vector<std::string> names(const Model& model) {
  std::vector<std::string> out;
  for (const OutTensor& t : model.tensors) out.push_back(t.name);
  return out;
}

bool warns(const Model& model, std::string_view text) {
  for (const std::string& w : model.warnings)
    if (w.find(text) != std::string::npos) return true;
  return false;
}

FakeModel renamed(FakeModel m, const std::function<std::string(const std::string&)>& rename) {
  for (TensorInfo& t : m.tensors) t.name = rename(t.name);
  return m;
}

FakeModel unlisted() {
  FakeModel m = dense("llama");
  m.config["model_type"] = "nobody_listed_this";
  return m;
}

TEST(Extras, wrappers_are_taken_off) {
  for (const char* name :
       {"model.layers.0.mlp.up_proj.weight", "module.model.layers.0.mlp.up_proj.weight", "_orig_mod.model.layers.0.mlp.up_proj.weight",
        "module._orig_mod.model.layers.0.mlp.up_proj.weight", "_orig_mod.module.model.layers.0.mlp.up_proj.weight",
        "model._orig_mod.layers.0.mlp.up_proj.weight", "model.layers.0._orig_mod.mlp._fsdp_wrapped_module.up_proj.weight",
        "module.module.model.layers.0._checkpoint_wrapped_module.mlp.up_proj.weight"})
    EXPECT_EQ(unwrapped(name), "model.layers.0.mlp.up_proj.weight") << name;
  for (const char* name : {"model.module.weight", "modules.weight", "module", "_orig_mod", "model._orig_model.weight", "a._extra_state"})
    EXPECT_EQ(unwrapped(name), name) << "no wrapper";
}

TEST(Extras, a_wrapped_model_is_the_model) {
  const auto plain = dense("llama").describe();
  ASSERT_TRUE(plain.ok());
  const std::function<std::string(const std::string&)> wrappers[] = {
      [](const std::string& n) { return "module." + n; },
      [](const std::string& n) { return "_orig_mod." + n; },
      [](const std::string& n) { return n.starts_with("model.") ? "model._orig_mod." + n.substr(6) : n; },
      [](const std::string& n) { return "language_model." + n; },
      [](const std::string& n) { return n.starts_with("model.") ? "model.language_model." + n.substr(6) : n; },
      [](const std::string& n) { return n.starts_with("model.") ? n.substr(6) : n; },
      [](const std::string& n) { return "module." + (n.starts_with("model.") ? n.substr(6) : n); },
  };
  for (const auto& wrap : wrappers) {
    const auto model = renamed(dense("llama"), wrap).describe();
    ASSERT_TRUE(model.ok()) << wrap("model.x") << ": " << model.status().message();
    EXPECT_EQ(names(*model), names(*plain)) << wrap("model.x");
  }
}

TEST(Extras, a_wrapped_model_of_no_listed_family_gets_its_names_back) {
  const auto plain = unlisted().describe();
  const auto wrapped = renamed(unlisted(), [](const std::string& n) { return "module._orig_mod." + n; }).describe();
  ASSERT_TRUE(plain.ok() && wrapped.ok());
  EXPECT_EQ(names(*wrapped), names(*plain));
}

TEST(Extras, two_wrappings_of_one_tensor_are_corrupt) {
  for (FakeModel m : {dense("llama"), unlisted()}) {
    m.add("module.model.norm.weight", {128});
    EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);
  }
}

TEST(Extras, buffers_are_dropped_with_a_reason) {
  const std::string layer = "model.layers.0.self_attn.";
  for (FakeModel m : {dense("llama"), dense("qwen3"), unlisted()}) {
    const auto plain = m.describe();
    ASSERT_TRUE(plain.ok());
    m.add(layer + "rotary_emb.inv_freq", {16}, DType::f32);
    m.add(layer + "rotary_emb.cos_cached", {1, 1, 2048, 32}, DType::f32);
    m.add("rope.freqs", {16}, DType::f32);
    m.add("model.rotary_emb.original_inv_freq", {16}, DType::f32);
    m.add("model.embeddings.position_ids", {1, 512}, DType::i64);
    m.add("model.layers.0.attn.bias", {1, 1, 64, 64}, DType::u8);
    m.add("model.layers.0.attention.masked_bias", {}, DType::f32);
    m.add(layer + "q_proj._extra_state", {5}, DType::u8);
    const auto model = m.describe();
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_EQ(names(*model), names(*plain));
    EXPECT_EQ(model->dropped.size(), plain->dropped.size() + 8);
  }
}

TEST(Extras, a_bias_is_not_a_mask) {
  FakeModel m = unlisted();
  m.add("model.layers.0.attn.bias", {128});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_NE(find(*model, "model.layers.0.attn.bias"), nullptr);
  FakeModel known = dense("llama");
  known.add("model.layers.0.attn.bias", {128});
  EXPECT_FALSE(known.describe().ok());
}

TEST(Extras, unlisted_tensors_are_taken_where_the_model_has_a_place) {
  FakeModel m = dense("llama");
  const auto plain = m.describe();
  m.find("model.norm.weight")->standing = Standing::unlisted;
  m.add("mtp.fc.weight", {8, 8});
  EXPECT_FALSE(m.describe().ok()) << "a listed tensor without a place";
  m.find("mtp.fc.weight")->standing = Standing::unlisted;
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(names(*model), names(*plain));
  EXPECT_TRUE(warns(*model, "'mtp.fc.weight'"));
  ASSERT_EQ(model->dropped.size(), 1u);
  EXPECT_EQ(model->dropped[0].name, "mtp.fc.weight");
}

TEST(Extras, unlisted_layers_beyond_the_config_are_left_out) {
  FakeModel m = dense("llama");
  m.add("model.layers.77.input_layernorm.weight", {128});
  EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);
  m.tensors.back().standing = Standing::unlisted;
  EXPECT_TRUE(m.describe().ok());
}

TEST(Extras, stray_tensors_fill_gaps_and_nothing_else) {
  FakeModel m = dense("llama");
  const auto plain = m.describe();
  m.add("q_proj.lora_a", {8, 8});
  m.add("layers.0.input_layernorm.weight", {128});  // a second spelling of what the model has
  m.add("packed.qweight", {8, 8}, DType::i32);
  for (std::size_t i = m.tensors.size() - 3; i < m.tensors.size(); ++i) m.tensors[i].standing = Standing::stray;
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(names(*model), names(*plain));
  EXPECT_TRUE(model->warnings.empty());

  m.find("model.norm.weight")->standing = Standing::stray;
  const auto filled = m.describe();
  ASSERT_TRUE(filled.ok());
  EXPECT_EQ(names(*filled), names(*plain));
  EXPECT_TRUE(warns(*filled, "'model.norm.weight'"));
}

TEST(Extras, a_model_nobody_listed_keeps_unlisted_and_loses_stray_tensors) {
  FakeModel m = unlisted();
  m.add("model.layers.0.extra.weight", {8, 8});
  m.tensors.back().standing = Standing::unlisted;
  m.add("adapter.weight", {8, 8});
  m.tensors.back().standing = Standing::stray;
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_NE(find(*model, "model.layers.0.extra.weight"), nullptr);
  EXPECT_EQ(find(*model, "adapter.weight"), nullptr);
  EXPECT_FALSE(knows_tensors(*model));
  EXPECT_TRUE(knows_tensors(*dense("llama").describe()));
}

}  // namespace
}  // namespace jang::arch
