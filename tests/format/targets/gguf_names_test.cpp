// SPDX-License-Identifier: Apache-2.0
// GGUF's names of the families' tensors, and files that hold another model.
#include "format/targets/gguf/names.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "../../arch/fake_model.h"
#include "../../support/contains.h"
#include "format/gguf_writer.h"

namespace jang::targets::gguf {
namespace {

namespace fake = arch::testing;
using test::contains;

struct Named {
  arch::Model model;
  std::vector<Counterpart> tensors;
  [[nodiscard]] const Counterpart& of(std::string_view name) const {
    for (const Counterpart& c : tensors)
      if (arch::canonical_name(model.tensors[static_cast<std::size_t>(c.tensor)]) == name) return c;
    ADD_FAILURE() << name;
    return tensors.front();
  }
};

Named named(const fake::FakeModel& source) {
  Named n;
  n.model = source.describe_canonical().value();
  n.tensors = counterparts(n.model, arch::decoder_config(n.model).value()).value();
  return n;
}

TEST(GgufNames, llama_interleaves_q_and_k) {
  const Named n = named(fake::dense("llama"));
  EXPECT_EQ(n.of("model.embed_tokens.weight").name, "token_embd.weight");
  EXPECT_EQ(n.of("model.norm.weight").name, "output_norm.weight");
  EXPECT_EQ(n.of("lm_head.weight").name, "output.weight");
  EXPECT_EQ(n.of("model.layers.1.mlp.down_proj.weight").name, "blk.1.ffn_down.weight");
  EXPECT_EQ(n.of("model.layers.1.input_layernorm.weight").name, "blk.1.attn_norm.weight");
  EXPECT_EQ(n.of("model.layers.1.post_attention_layernorm.weight").name, "blk.1.ffn_norm.weight");
  const Counterpart& q = n.of("model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(q.name, "blk.0.attn_q.weight");
  EXPECT_EQ(q.change, Change::interleaved);
  EXPECT_EQ(q.head_dim, 32);
  EXPECT_EQ(n.of("model.layers.0.self_attn.k_proj.weight").change, Change::interleaved);
  EXPECT_EQ(n.of("model.layers.0.self_attn.v_proj.weight").change, Change::none);
  // Second head, pair 3: neighbours in the file, halves in the model.
  EXPECT_EQ(row_in_file(q, 32 + 3), 32 + 6);
  EXPECT_EQ(row_in_file(q, 32 + 16 + 3), 32 + 7);
  for (std::int64_t r = 0; r < 128; ++r) EXPECT_EQ(row_in_model(q, row_in_file(q, r)), r);
}

TEST(GgufNames, gemma_shifts_norms_and_has_four) {
  const Named n = named(fake::gemma3_text());
  EXPECT_EQ(n.of("model.layers.0.post_attention_layernorm.weight").name, "blk.0.post_attention_norm.weight");
  EXPECT_EQ(n.of("model.layers.0.pre_feedforward_layernorm.weight").name, "blk.0.ffn_norm.weight");
  EXPECT_EQ(n.of("model.layers.0.post_feedforward_layernorm.weight").name, "blk.0.post_ffw_norm.weight");
  EXPECT_EQ(n.of("model.layers.0.self_attn.q_norm.weight").change, Change::plus_one);
  EXPECT_EQ(n.of("model.norm.weight").change, Change::plus_one);
  EXPECT_EQ(n.of("model.layers.0.self_attn.q_proj.weight").change, Change::none);
}

TEST(GgufNames, experts_are_one_tensor) {
  const Named n = named(fake::qwen3_moe(fake::Experts::each));
  EXPECT_EQ(n.of("model.layers.0.mlp.gate.weight").name, "blk.0.ffn_gate_inp.weight");
  EXPECT_EQ(n.of("model.layers.0.mlp.experts.up_proj.weight").name, "blk.0.ffn_up_exps.weight");
  EXPECT_EQ(n.of("model.layers.0.self_attn.k_norm.weight").name, "blk.0.attn_k_norm.weight");
}

TEST(GgufNames, families_are_named_whole_or_refused) {
  std::size_t n_named = 0;
  for (const auto& [name, source] : fake::all_models()) {
    const Result<arch::Model> model = source.describe_canonical();
    ASSERT_TRUE(model.ok()) << name;
    const Result<arch::DecoderConfig> config = arch::decoder_config(*model);
    if (!config.ok()) continue;
    const auto tensors = counterparts(*model, *config);
    EXPECT_EQ(tensors.ok(), !architecture_of(model->family).empty()) << name;
    if (!tensors.ok()) {
      EXPECT_EQ(tensors.status().code(), StatusCode::unsupported) << name;
      continue;
    }
    ++n_named;
    std::set<std::string> names;
    for (const Counterpart& c : *tensors) EXPECT_TRUE(names.insert(c.name).second) << name << ": " << c.name;
    EXPECT_EQ(names.size(), model->tensors.size()) << name;
  }
  EXPECT_GE(n_named, 5u);
}

// A file that holds `n`, before and after `change`.
Status verdict(const Named& n, const std::function<void(format::GgufHeader&)>& change) {
  format::GgufHeader h;
  h.metadata["general.architecture"] = format::gguf_text(std::string(architecture_of(n.model.family)));
  for (const Counterpart& c : n.tensors)
    h.tensors.push_back({c.name, n.model.tensors[static_cast<std::size_t>(c.tensor)].shape, codec::find_gguf_type(0)});
  change(h);
  return check_holds(h, n.model, n.tensors, "file.gguf");
}

TEST(GgufNames, another_model_is_refused_by_tensor) {
  const Named n = named(fake::dense("llama"));
  EXPECT_TRUE(verdict(n, [](format::GgufHeader&) {}).ok());
  EXPECT_TRUE(verdict(n, [](format::GgufHeader& h) { h.tensors.push_back({"rope_freqs.weight", {16}, codec::find_gguf_type(0)}); }).ok());
  const auto message = [&](const std::function<void(format::GgufHeader&)>& change) {
    const Status s = verdict(n, change);
    EXPECT_FALSE(s.ok());
    return s.message();
  };
  EXPECT_TRUE(contains(message([](format::GgufHeader& h) { h.metadata["general.architecture"].text = "qwen2"; }), "expected 'llama'"));
  EXPECT_TRUE(contains(message([](format::GgufHeader& h) { h.tensors.pop_back(); }), "it has no tensor 'output.weight'"));
  EXPECT_TRUE(contains(message([](format::GgufHeader& h) { h.tensors[1].shape[0] += 1; }), "has shape"));
  EXPECT_TRUE(contains(message([](format::GgufHeader& h) {
                         h.tensors.push_back({"extra.weight", {1}, codec::find_gguf_type(0)});
                       }),
                       "'extra.weight' has no place"));
  EXPECT_TRUE(contains(message([](format::GgufHeader& h) { h.tensors[0].type = codec::find_gguf_type(26); }), "is of type I32"));
}

}  // namespace
}  // namespace jang::targets::gguf
