// SPDX-License-Identifier: Apache-2.0
// arch::describe as a whole: names, shapes, roles and order per family, and what it refuses, for every family in the registry.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "arch/describe.h"
#include "arch/family.h"
#include "arch/registry.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

std::string message_of(const Result<Model>& r) { return r.ok() ? "" : r.status().message(); }

class EveryFamily : public ::testing::TestWithParam<NamedModel> {};
INSTANTIATE_TEST_SUITE_P(Describe, EveryFamily, ::testing::ValuesIn(all_models()), [](const auto& p) { return p.param.name; });

TEST(Describe, every_registered_family_has_a_model_here) {
  std::set<std::string> covered;
  for (const NamedModel& m : all_models()) {
    const auto model = m.model.describe();
    ASSERT_TRUE(model.ok()) << m.name << ": " << message_of(model);
    covered.insert(model->family);
  }
  for (const std::string_view family : families()) EXPECT_TRUE(covered.count(std::string(family))) << family;
  EXPECT_EQ(covered.size(), families().size());
  EXPECT_FALSE(covered.empty());
}

TEST_P(EveryFamily, every_source_row_is_used_exactly_once) {
  const auto& sources = GetParam().model.tensors;
  const auto model = GetParam().model.describe();
  ASSERT_TRUE(model.ok()) << message_of(model);
  std::vector<std::int64_t> used(sources.size(), 0);
  std::set<std::string> names;
  for (const OutTensor& t : model->tensors) {
    EXPECT_TRUE(names.insert(t.name).second) << t.name;
    std::int64_t n_elements = 0;
    for (const Piece& p : t.pieces) {
      const TensorInfo& s = sources[static_cast<std::size_t>(p.source)];
      EXPECT_EQ(s.dtype, t.source_dtype);
      EXPECT_GE(p.row_begin, 0);
      EXPECT_LE(p.row_begin + p.n_rows, rows(s.shape)) << t.name;
      used[static_cast<std::size_t>(p.source)] += p.n_rows;
      n_elements += p.n_rows * columns(s.shape);
    }
    EXPECT_EQ(n_elements, elements(t.shape)) << t.name;
  }
  for (const Dropped& d : model->dropped) {
    const auto it = std::ranges::find(sources, d.name, &TensorInfo::name);
    ASSERT_NE(it, sources.end());
    used[static_cast<std::size_t>(it - sources.begin())] += rows(it->shape);
    EXPECT_FALSE(d.reason.empty());
  }
  for (std::size_t i = 0; i < sources.size(); ++i) EXPECT_EQ(used[i], rows(sources[i].shape)) << sources[i].name;
}

TEST_P(EveryFamily, result_does_not_depend_on_the_order_of_sources) {
  FakeModel reversed = GetParam().model;
  std::ranges::reverse(reversed.tensors);
  const auto a = GetParam().model.describe(), b = reversed.describe();
  ASSERT_TRUE(a.ok() && b.ok());
  ASSERT_EQ(a->tensors.size(), b->tensors.size());
  for (std::size_t i = 0; i < a->tensors.size(); ++i) {
    EXPECT_EQ(a->tensors[i].name, b->tensors[i].name);
    ASSERT_EQ(a->tensors[i].pieces.size(), b->tensors[i].pieces.size());
    for (std::size_t p = 0; p < a->tensors[i].pieces.size(); ++p)
      EXPECT_EQ(GetParam().model.tensors[static_cast<std::size_t>(a->tensors[i].pieces[p].source)].name,
                reversed.tensors[static_cast<std::size_t>(b->tensors[i].pieces[p].source)].name);
  }
}

TEST_P(EveryFamily, order_is_embedding_layers_norm_head) {
  const auto model = GetParam().model.describe();
  ASSERT_TRUE(model.ok());
  std::vector<OutTensor> t = model->tensors;
  while (t.back().role == Role::vision) t.pop_back();  // towers stand behind the text model
  EXPECT_TRUE(t.front().role == Role::embedding || t.front().role == Role::tied_embedding);
  EXPECT_EQ(t.back().role, model->tied ? Role::norm : Role::lm_head);
  int layer = 0;
  std::size_t i = 1;
  while (i < t.size() && t[i].layer < 0) ++i;  // per-layer embeddings
  EXPECT_EQ(i, GetParam().name == "gemma4_text_edge" ? 4u : 1u);
  for (; i < t.size() && t[i].layer >= 0; ++i) {
    EXPECT_GE(t[i].layer, layer);
    layer = t[i].layer;
  }
  EXPECT_EQ(layer, model->n_layers - 1);
}

TEST_P(EveryFamily, each_missing_tensor_is_corrupt_and_named) {
  const auto whole = GetParam().model.describe();
  ASSERT_TRUE(whole.ok());
  std::set<std::string> unasked;  // left out, or of a tower, whose parts nobody lists
  for (const Dropped& d : whole->dropped) unasked.insert(d.name);
  for (const OutTensor& t : whole->tensors)
    if (t.role == Role::vision) unasked.insert(GetParam().model.tensors[static_cast<std::size_t>(t.pieces.front().source)].name);
  for (const TensorInfo& t : GetParam().model.tensors) {
    if (unasked.count(t.name)) continue;
    FakeModel m = GetParam().model;
    m.remove(t.name);
    const auto r = m.describe();
    // Without a tie flag a missing head is a tied model, by the MLX class's own default. All models here but Gemma's say "untied".
    ASSERT_FALSE(r.ok()) << t.name;
    EXPECT_EQ(r.status().code(), StatusCode::corrupt) << t.name;
    EXPECT_NE(r.status().message().find("is missing"), std::string::npos) << r.status().message();
  }
}

TEST_P(EveryFamily, each_wrong_shape_is_corrupt_and_named) {
  const auto whole = GetParam().model.describe();
  ASSERT_TRUE(whole.ok());
  for (const OutTensor& out : whole->tensors) {
    if (out.role == Role::vision) continue;
    FakeModel m = GetParam().model;
    TensorInfo& t = m.tensors[static_cast<std::size_t>(out.pieces.back().source)];
    t.shape[0] += 1;
    const auto r = m.describe();
    ASSERT_FALSE(r.ok()) << t.name;
    EXPECT_EQ(r.status().code(), StatusCode::corrupt);
    EXPECT_NE(r.status().message().find("'" + t.name + "'"), std::string::npos) << r.status().message();
    EXPECT_NE(r.status().message().find(jang::to_string(t.shape)), std::string::npos) << r.status().message();
  }
}

TEST_P(EveryFamily, stranger_tensor_is_unsupported) {
  FakeModel m = GetParam().model;
  m.add("model.extra_head.weight", {2, 128});
  const auto r = m.describe();
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().code(), StatusCode::unsupported);
  EXPECT_NE(r.status().message().find("model.extra_head.weight"), std::string::npos);
}

TEST_P(EveryFamily, config_number_out_of_range_is_corrupt) {
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "num_key_value_heads", "head_dim"}) {
    // Heads of gpt_neox, stablelm and internlm2 follow from hidden_size, whatever head_dim says; the first has no grouped queries either.
    if ((GetParam().name == "stablelm" || GetParam().name == "internlm2") && key == std::string("head_dim")) continue;
    if (GetParam().name == "gpt_neox" && (key == std::string("num_key_value_heads") || key == std::string("head_dim"))) continue;
    // Nemotron-H counts the kinds of its layers, Mamba2 has no heads of attention.
    if (GetParam().name == "nemotron_h" && key == std::string("num_hidden_layers")) continue;
    if (GetParam().name == "mamba2" && (key == std::string("num_attention_heads") || key == std::string("num_key_value_heads"))) continue;
    for (const json::Value& bad : {json::Value(0), json::Value(-1), json::Value(std::numeric_limits<std::int64_t>::max()), json::Value("8"),
                                   json::Value(1.5), json::Value::array()}) {
      FakeModel m = GetParam().model;
      json::Value& text = m.config.contains("text_config") ? m.config["text_config"] : m.config;
      text[key] = bad;
      const auto r = m.describe();
      ASSERT_FALSE(r.ok()) << key << " " << json::dump(bad);
      EXPECT_EQ(r.status().code(), StatusCode::corrupt) << key << ": " << r.status().message();
    }
  }
}

TEST_P(EveryFamily, describing_the_result_again_changes_nothing) {
  const auto first = GetParam().model.describe();
  ASSERT_TRUE(first.ok());
  FakeModel again{first->config, {}};
  for (const OutTensor& t : first->tensors) again.add(t.name, t.shape, t.source_dtype);
  const auto second = again.describe();
  ASSERT_TRUE(second.ok()) << message_of(second);
  ASSERT_EQ(first->tensors.size(), second->tensors.size());
  for (std::size_t i = 0; i < first->tensors.size(); ++i) {
    EXPECT_EQ(second->tensors[i].name, first->tensors[i].name);
    EXPECT_EQ(second->tensors[i].shape, first->tensors[i].shape);
    EXPECT_EQ(second->tensors[i].add, 0.0f) << "norms are shifted once";
  }
  EXPECT_EQ(json::dump(second->config), json::dump(first->config));
}

TEST(Describe, llama_reports_geometry) {
  const auto model = dense("llama", 3).describe();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->n_layers, 3);
  EXPECT_EQ(model->attention, "gqa");
  EXPECT_EQ(model->architecture_kind, "dense");
  EXPECT_FALSE(model->tied);
  EXPECT_EQ(model->layer_component, 2);
  EXPECT_TRUE(model->eight_bit_modules.empty());
  EXPECT_EQ(find(*model, "model.layers.0.self_attn.q_proj.weight")->rule, "llama: layers.*.self_attn.q_proj");
}

TEST(Describe, hybrid_names_go_under_language_model) {
  const auto model = qwen3_5(true, true).describe();
  ASSERT_TRUE(model.ok()) << message_of(model);
  EXPECT_EQ(model->architecture_kind, "hybrid_moe_ssm");
  EXPECT_EQ(model->layer_component, 3);
  EXPECT_EQ(model->dropped.size(), 1u);
  EXPECT_TRUE(model->has_vision);
  EXPECT_TRUE(model->warnings.empty());
  EXPECT_NE(find(*model, "language_model.model.layers.3.self_attn.q_proj.weight"), nullptr);
  EXPECT_NE(find(*model, "language_model.lm_head.weight"), nullptr);
  EXPECT_EQ(model->eight_bit_modules.size(), 8u);
  EXPECT_EQ(model->eight_bit_modules[0], "language_model.model.layers.0.mlp.gate");
  EXPECT_EQ(model->eight_bit_modules[1], "language_model.model.layers.0.mlp.shared_expert_gate");
}

TEST(Describe, hybrid_shifts_zero_centred_norms_only) {
  const auto model = qwen3_5(false, false).describe();
  ASSERT_TRUE(model.ok());
  for (const OutTensor& t : model->tensors) {
    const bool delta_norm = t.name.ends_with(".linear_attn.norm.weight");
    EXPECT_EQ(t.add, t.role == Role::norm && !delta_norm ? 1.0f : 0.0f) << t.name;
    EXPECT_EQ(t.keep_dtype, t.name.ends_with("A_log")) << t.name;
  }
}

TEST(Describe, hybrid_conv_becomes_channels_kernel_one) {
  const auto model = qwen3_5(false, false).describe();
  ASSERT_TRUE(model.ok());
  const OutTensor* conv = find(*model, "language_model.model.layers.0.linear_attn.conv1d.weight");
  ASSERT_NE(conv, nullptr);
  EXPECT_EQ(conv->shape, (Shape{192, 4, 1}));
  EXPECT_FALSE(conv->quantizable);
}

TEST(Describe, document_that_is_no_model_is_corrupt) {
  const FakeModel m = dense("llama");
  EXPECT_EQ(describe(json::Value::array(), m.tensors).status().code(), StatusCode::corrupt);
  EXPECT_EQ(describe(json::Value::object(), m.tensors).status().code(), StatusCode::corrupt);
  EXPECT_EQ(describe(m.config, {}).status().code(), StatusCode::corrupt);
  json::Value config = qwen3_5(false, true).config;
  config["text_config"] = 3;
  EXPECT_EQ(describe(config, m.tensors).status().code(), StatusCode::corrupt);
}

}  // namespace
}  // namespace jang::arch
