// SPDX-License-Identifier: Apache-2.0
// Sources made by hand for the arch tests: the config and tensor list a small checkpoint of each family would have, without any weights.
// Written from the published checkpoints' layouts, not from the tables under test.
#pragma once

#include <string>
#include <vector>

#include "arch/arch.h"
#include "arch/describe.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"

namespace jang::arch::testing {

struct FakeModel {
  json::Value config;
  std::vector<TensorInfo> tensors;

  void add(const std::string& name, Shape shape, DType dtype = DType::bf16) { tensors.push_back({name, dtype, std::move(shape)}); }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const TensorInfo& t) { return t.name == name; });
  }
  TensorInfo* find(const std::string& name) {
    for (TensorInfo& t : tensors)
      if (t.name == name) return &t;
    return nullptr;
  }
  [[nodiscard]] Result<Model> describe_canonical() const { return targets::describe_canonical(config, tensors); }
  // As the default target spells it.
  [[nodiscard]] Result<Model> describe() const { return targets::describe_source(config, tensors); }
};

inline const OutTensor* find(const Model& model, const std::string& name) {
  for (const OutTensor& t : model.tensors)
    if (t.name == name) return &t;
  return nullptr;
}

inline json::Value dense_config(const std::string& type, int n_layers) {
  return {{"model_type", type},       {"hidden_size", 128},          {"num_hidden_layers", n_layers},
          {"num_attention_heads", 4}, {"num_key_value_heads", 2},    {"intermediate_size", 256},
          {"vocab_size", 512},        {"rms_norm_eps", 1e-6},        {"head_dim", 32},
          {"rope_theta", 10000.0},    {"tie_word_embeddings", false}};
}

inline void add_attention(FakeModel* m, const std::string& layer, int q_rows = 128) {
  m->add(layer + ".self_attn.q_proj.weight", {q_rows, 128});
  m->add(layer + ".self_attn.k_proj.weight", {64, 128});
  m->add(layer + ".self_attn.v_proj.weight", {64, 128});
  m->add(layer + ".self_attn.o_proj.weight", {128, 128});
}

inline void add_qk_norms(FakeModel* m, const std::string& layer) {
  m->add(layer + ".self_attn.q_norm.weight", {32});
  m->add(layer + ".self_attn.k_norm.weight", {32});
}

inline void add_mlp(FakeModel* m, const std::string& prefix, int ffn = 256) {
  m->add(prefix + ".gate_proj.weight", {ffn, 128});
  m->add(prefix + ".up_proj.weight", {ffn, 128});
  m->add(prefix + ".down_proj.weight", {128, ffn});
}

inline void add_norms(FakeModel* m, const std::string& layer) {
  m->add(layer + ".input_layernorm.weight", {128});
  m->add(layer + ".post_attention_layernorm.weight", {128});
}

inline void add_ends(FakeModel* m, const std::string& prefix, bool head) {
  m->add(prefix + ".embed_tokens.weight", {512, 128});
  m->add(prefix + ".norm.weight", {128});
  if (head) m->add("lm_head.weight", {512, 128});
}

inline FakeModel dense(const std::string& type, int n_layers = 2) {
  FakeModel m{dense_config(type, n_layers), {}};
  add_ends(&m, "model", true);
  for (int l = 0; l < n_layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    add_mlp(&m, layer + ".mlp");
    add_norms(&m, layer);
    if (type == "qwen3") add_qk_norms(&m, layer);
    if (type == "qwen2")
      for (const char* p : {"q", "k", "v"}) m.add(layer + ".self_attn." + p + "_proj.bias", {p[0] == 'q' ? 128 : 64});
  }
  return m;
}

inline FakeModel gemma3_text(int n_layers = 2) {
  FakeModel m{dense_config("gemma3_text", n_layers), {}};
  m.config.erase("tie_word_embeddings");
  add_ends(&m, "model", false);
  for (int l = 0; l < n_layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    add_qk_norms(&m, layer);
    add_mlp(&m, layer + ".mlp");
    add_norms(&m, layer);
    m.add(layer + ".pre_feedforward_layernorm.weight", {128});
    m.add(layer + ".post_feedforward_layernorm.weight", {128});
  }
  return m;
}

enum class Experts { each, fused, stacked };

inline void add_experts(FakeModel* m, const std::string& mlp, Experts how, int n_experts = 4, int ffn = 64) {
  m->add(mlp + ".gate.weight", {n_experts, 128});
  if (how == Experts::each)
    for (int e = 0; e < n_experts; ++e) add_mlp(m, mlp + ".experts." + std::to_string(e), ffn);
  if (how == Experts::fused) {
    m->add(mlp + ".experts.gate_up_proj", {n_experts, 2 * ffn, 128});
    m->add(mlp + ".experts.down_proj", {n_experts, 128, ffn});
  }
  if (how == Experts::stacked) {
    m->add(mlp + ".switch_mlp.gate_proj.weight", {n_experts, ffn, 128});
    m->add(mlp + ".switch_mlp.up_proj.weight", {n_experts, ffn, 128});
    m->add(mlp + ".switch_mlp.down_proj.weight", {n_experts, 128, ffn});
  }
}

inline FakeModel qwen3_moe(Experts how, int n_layers = 2) {
  FakeModel m{dense_config("qwen3_moe", n_layers), {}};
  m.config["num_experts"] = 4;
  m.config["num_experts_per_tok"] = 2;
  m.config["moe_intermediate_size"] = 64;
  m.config["mlp_only_layers"] = json::Value::array({1});  // the last layer is dense
  add_ends(&m, "model", true);
  for (int l = 0; l < n_layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    add_qk_norms(&m, layer);
    if (l == 1)
      add_mlp(&m, layer + ".mlp");
    else
      add_experts(&m, layer + ".mlp", how);
    add_norms(&m, layer);
  }
  return m;
}

// Four layers, the last with softmax attention. `wrapped`: inside a multimodal checkpoint with a vision tower and an MTP head.
inline FakeModel qwen3_5(bool moe, bool wrapped, Experts how = Experts::fused) {
  json::Value text = dense_config(moe ? "qwen3_5_moe_text" : "qwen3_5_text", 4);
  for (const auto& [key, n] : {std::pair{"linear_num_key_heads", 2},
                               {"linear_num_value_heads", 4},
                               {"linear_key_head_dim", 32},
                               {"linear_value_head_dim", 16},
                               {"linear_conv_kernel_dim", 4}})
    text[key] = n;
  text["layer_types"] = {"linear_attention", "linear_attention", "linear_attention", "full_attention"};
  text["eos_token_id"] = 7;
  if (moe)
    for (const auto& [key, n] :
         {std::pair{"num_experts", 4}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", 64}, {"shared_expert_intermediate_size", 64}})
      text[key] = n;
  FakeModel m{text, {}};
  if (wrapped) m.config = {{"model_type", moe ? "qwen3_5_moe" : "qwen3_5"}, {"text_config", text}, {"vision_config", {{"depth", 1}}}};
  const std::string root = wrapped ? "model.language_model" : "model";
  add_ends(&m, root, true);
  for (int l = 0; l < 4; ++l) {
    const std::string layer = root + ".layers." + std::to_string(l), delta = layer + ".linear_attn";
    if (l == 3) {
      add_attention(&m, layer, 256);
      add_qk_norms(&m, layer);
    } else {
      m.add(delta + ".in_proj_qkv.weight", {192, 128});
      m.add(delta + ".in_proj_z.weight", {64, 128});
      m.add(delta + ".in_proj_a.weight", {4, 128});
      m.add(delta + ".in_proj_b.weight", {4, 128});
      m.add(delta + ".out_proj.weight", {128, 64});
      m.add(delta + ".conv1d.weight", {192, 1, 4});
      m.add(delta + ".A_log", {4}, DType::f32);
      m.add(delta + ".dt_bias", {4});
      m.add(delta + ".norm.weight", {16});
    }
    if (moe) {
      add_experts(&m, layer + ".mlp", how);
      add_mlp(&m, layer + ".mlp.shared_expert", 64);
      m.add(layer + ".mlp.shared_expert_gate.weight", {1, 128});
    } else {
      add_mlp(&m, layer + ".mlp");
    }
    add_norms(&m, layer);
  }
  if (wrapped) {
    m.add("model.visual.blocks.0.attn.proj.weight", {64, 64});
    m.add("mtp.fc.weight", {128, 256});
  }
  return m;
}

// Flat names, fused linear attention projections, every layer sparse but the second.
inline FakeModel qwen3_next() {
  FakeModel m = qwen3_5(true, false, Experts::each);
  m.config["model_type"] = "qwen3_next";
  m.config["mlp_only_layers"] = json::Value::array({1});
  std::erase_if(m.tensors, [](const TensorInfo& t) {
    return t.name.find(".in_proj_") != std::string::npos || t.name.starts_with("model.layers.1.mlp.");
  });
  add_mlp(&m, "model.layers.1.mlp");
  for (int l = 0; l < 3; ++l) {
    const std::string delta = "model.layers." + std::to_string(l) + ".linear_attn";
    m.add(delta + ".in_proj_qkvz.weight", {256, 128});
    m.add(delta + ".in_proj_ba.weight", {8, 128});
  }
  return m;
}

// A flat model of `type` inside a wrapper: model.language_model.*, the head at the top, one tensor of a tower.
inline FakeModel wrapped(FakeModel text, const std::string& type, const std::string& tower, const Shape& shape) {
  for (TensorInfo& t : text.tensors)
    if (t.name.starts_with("model.")) t.name.insert(6, "language_model.");
  text.config = {{"model_type", type}, {"text_config", json::Value(text.config)}, {"vision_config", {{"depth", 1}}}};
  text.add(tower, shape);
  return text;
}

// The experts of a layer under the names of Mixtral's published files.
inline void add_mixtral_experts(FakeModel* m, const std::string& mixture) {
  m->add(mixture + ".gate.weight", {4, 128});
  for (int e = 0; e < 4; ++e) {
    const std::string expert = mixture + ".experts." + std::to_string(e);
    m->add(expert + ".w1.weight", {64, 128});
    m->add(expert + ".w2.weight", {128, 64});
    m->add(expert + ".w3.weight", {64, 128});
  }
}

// Every layer a mixture as wide as intermediate_size.
inline FakeModel mixtral() {
  FakeModel m{dense_config("mixtral", 2), {}};
  for (const auto& [key, n] : {std::pair{"num_local_experts", 4}, {"num_experts_per_tok", 2}, {"intermediate_size", 64}}) m.config[key] = n;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    add_mixtral_experts(&m, layer + ".block_sparse_moe");
    add_norms(&m, layer);
  }
  return m;
}

// Norms over whole rows, half of every head rotated, a correction beside the router.
inline FakeModel minimax_m2() {
  FakeModel m = mixtral();
  m.config["model_type"] = "minimax_m2";
  m.config["rotary_dim"] = 16;
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    m.add(layer + ".self_attn.q_norm.weight", {128});
    m.add(layer + ".self_attn.k_norm.weight", {64});
    m.add(layer + ".block_sparse_moe.e_score_correction_bias", {4}, DType::f32);
  }
  return m;
}

// Keys of DeepSeek's configs: two layers, the first dense; four experts in two groups of which one is open, two shared ones.
inline void add_deepseek_keys(FakeModel* m) {
  for (const auto& [key, n] : {std::pair{"n_routed_experts", 4},
                               {"num_experts_per_tok", 2},
                               {"moe_intermediate_size", 64},
                               {"n_shared_experts", 2},
                               {"first_k_dense_replace", 1},
                               {"n_group", 2},
                               {"topk_group", 1}})
    m->config[key] = n;
  m->config["routed_scaling_factor"] = 1.5;
  m->config["norm_topk_prob"] = true;
}

inline void add_deepseek_ffn(FakeModel* m, const std::string& layer, int l, bool correction) {
  if (l == 0) return add_mlp(m, layer + ".mlp");
  add_experts(m, layer + ".mlp", Experts::each);
  if (correction) m->add(layer + ".mlp.gate.e_score_correction_bias", {4}, DType::f32);
  add_mlp(m, layer + ".mlp.shared_experts", 128);
}

// Biases and norms of queries and keys; a layer beyond the last, as published.
inline FakeModel glm4_moe() {
  FakeModel m{dense_config("glm4_moe", 2), {}};
  add_deepseek_keys(&m);
  m.config["attention_bias"] = m.config["use_qk_norm"] = true;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    add_qk_norms(&m, layer);
    for (const char* p : {"q", "k", "v"}) m.add(layer + ".self_attn." + p + "_proj.bias", {p[0] == 'q' ? 128 : 64});
    add_deepseek_ffn(&m, layer, l, true);
    add_norms(&m, layer);
  }
  m.add("model.layers.2.eh_proj.weight", {128, 256});
  return m;
}

// Latent attention of four heads, with a latent of the queries or without.
inline void add_latent_attention(FakeModel* m, const std::string& layer, bool query_latent) {
  const std::string attention = layer + ".self_attn.";
  if (query_latent) {
    m->add(attention + "q_a_proj.weight", {96, 128});
    m->add(attention + "q_a_layernorm.weight", {96});
    m->add(attention + "q_b_proj.weight", {160, 96});
  } else {
    m->add(attention + "q_proj.weight", {160, 128});
  }
  m->add(attention + "kv_a_proj_with_mqa.weight", {80, 128});
  m->add(attention + "kv_a_layernorm.weight", {64});
  m->add(attention + "kv_b_proj.weight", {224, 64});
  m->add(attention + "o_proj.weight", {128, 128});
}
inline void add_latent_keys(FakeModel* m) {
  for (const auto& [key, n] : {std::pair{"kv_lora_rank", 64}, {"qk_nope_head_dim", 24}, {"qk_rope_head_dim", 16}, {"v_head_dim", 32}})
    m->config[key] = n;
  m->config.erase("head_dim");
  m->config["num_key_value_heads"] = 4;
}

// Latent attention of four heads; `version` 2: queries without a latent of their own, a router of softmax without correction.
inline FakeModel deepseek(int version) {
  FakeModel m{dense_config("deepseek_v" + std::to_string(version), 2), {}};
  add_deepseek_keys(&m);
  add_latent_keys(&m);
  m.config["q_lora_rank"] = nullptr;
  if (version == 3) m.config["q_lora_rank"] = 96;
  if (version == 2) m.config["topk_method"] = "group_limited_greedy";
  if (version == 2) m.config["rope_scaling"] = {{"type", "yarn"}, {"factor", 4.0}, {"mscale_all_dim", 1.0}, {"mscale", 0.7}};
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_latent_attention(&m, layer, version == 3);
    add_deepseek_ffn(&m, layer, l, version == 3);
    add_norms(&m, layer);
  }
  return m;
}

// Biases on queries, keys and values; a gated shared expert wider than the routed ones.
inline FakeModel qwen2_moe() {
  FakeModel m{dense_config("qwen2_moe", 2), {}};
  for (const auto& [key, n] :
       {std::pair{"num_experts", 4}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", 64}, {"shared_expert_intermediate_size", 96}})
    m.config[key] = n;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    for (const char* p : {"q", "k", "v"}) m.add(layer + ".self_attn." + p + "_proj.bias", {p[0] == 'q' ? 128 : 64});
    add_experts(&m, layer + ".mlp", Experts::each);
    add_mlp(&m, layer + ".mlp.shared_expert", 96);
    m.add(layer + ".mlp.shared_expert_gate.weight", {1, 128});
    add_norms(&m, layer);
  }
  return m;
}

// Sinks, biases of every map and of every expert; experts as a bundle has them, and as sources are presented.
inline FakeModel gpt_oss() {
  FakeModel m{dense_config("gpt_oss", 2), {}};
  for (const auto& [key, n] :
       {std::pair{"num_local_experts", 4}, {"num_experts_per_tok", 2}, {"intermediate_size", 64}, {"sliding_window", 16}})
    m.config[key] = n;
  m.config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
  m.config["layer_types"] = {"sliding_attention", "full_attention"};
  m.config["attention_bias"] = true;
  m.config["max_position_embeddings"] = 256;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l), experts = layer + ".mlp.experts.";
    add_attention(&m, layer);
    for (const char* p : {"q", "k", "v", "o"}) m.add(layer + ".self_attn." + p + "_proj.bias", {p[0] == 'q' || p[0] == 'o' ? 128 : 64});
    m.add(layer + ".self_attn.sinks", {4});
    m.add(layer + ".mlp.router.weight", {4, 128});
    m.add(layer + ".mlp.router.bias", {4});
    for (const char* p : {"gate", "up"}) {
      m.add(experts + p + "_proj.weight", {4, 64, 128});
      m.add(experts + p + "_proj.bias", {4, 64});
    }
    m.add(experts + "down_proj.weight", {4, 128, 64});
    m.add(experts + "down_proj.bias", {4, 128});
    add_norms(&m, layer);
  }
  return m;
}

// The multipliers of Granite; gate and up of all experts in one tensor.
inline FakeModel granitemoe() {
  FakeModel m{dense_config("granitemoe", 2), {}};
  for (const auto& [key, n] : {std::pair{"num_local_experts", 4}, {"num_experts_per_tok", 2}, {"intermediate_size", 64}}) m.config[key] = n;
  for (const auto& [key, x] :
       {std::pair{"embedding_multiplier", 6.0}, {"residual_multiplier", 0.5}, {"attention_multiplier", 0.1}, {"logits_scaling", 4.0}})
    m.config[key] = x;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l), mixture = layer + ".block_sparse_moe.";
    add_attention(&m, layer);
    m.add(mixture + "router.layer.weight", {4, 128});
    m.add(mixture + "input_linear.weight", {4, 128, 128});
    m.add(mixture + "output_linear.weight", {4, 128, 64});
    add_norms(&m, layer);
  }
  return m;
}

// A dense layer, then mixtures with two shared experts and a correction; a block that predicts more tokens.
inline FakeModel ernie4_5_moe() {
  FakeModel m{dense_config("ernie4_5_moe", 2), {}};
  for (const auto& [key, n] : {std::pair{"moe_num_experts", 4},
                               {"moe_k", 2},
                               {"moe_intermediate_size", 64},
                               {"moe_num_shared_experts", 2},
                               {"moe_layer_start_index", 1},
                               {"moe_layer_end_index", -1}})
    m.config[key] = n;
  m.config["use_bias"] = false;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    add_deepseek_ffn(&m, layer, l, false);
    if (l == 1) m.add(layer + ".mlp.moe_statics.e_score_correction_bias", {1, 4}, DType::f32);
    add_norms(&m, layer);
  }
  m.add("model.mtp_block.0.mlp.up_proj.weight", {256, 128});
  return m;
}

// The attention of Qwen3, the mixture of DeepSeek-V3; the way of choosing as published configs name it.
inline FakeModel dots1() {
  FakeModel m{dense_config("dots1", 2), {}};
  add_deepseek_keys(&m);
  m.config["scoring_func"] = "noaux_tc";
  m.config["max_position_embeddings"] = 256;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    add_qk_norms(&m, layer);
    add_deepseek_ffn(&m, layer, l, true);
    add_norms(&m, layer);
  }
  return m;
}

// Windows on the first layer, the correction beside the router, a layer that predicts more tokens.
inline FakeModel exaone_moe() {
  FakeModel m{dense_config("exaone_moe", 2), {}};
  for (const auto& [key, n] :
       {std::pair{"num_experts", 4}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", 64}, {"num_shared_experts", 2}})
    m.config[key] = n;
  m.config["is_moe_layer"] = {false, true};
  m.config["sliding_window"] = 16;
  m.config["sliding_window_pattern"] = "LG";
  m.config["max_position_embeddings"] = 256;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    add_qk_norms(&m, layer);
    add_deepseek_ffn(&m, layer, l, false);
    if (l == 1) m.add(layer + ".mlp.e_score_correction_bias", {4}, DType::f32);
    add_norms(&m, layer);
  }
  m.add("mtp.fc.weight", {128, 256});
  return m;
}

// Norms over all heads of queries and of keys.
inline FakeModel olmoe() {
  FakeModel m{dense_config("olmoe", 2), {}};
  m.config["num_experts"] = 4;
  m.config["num_experts_per_tok"] = 2;
  m.config["intermediate_size"] = 64;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    m.add(layer + ".self_attn.q_norm.weight", {128});
    m.add(layer + ".self_attn.k_norm.weight", {64});
    add_experts(&m, layer + ".mlp", Experts::each);
    add_norms(&m, layer);
  }
  return m;
}

}  // namespace jang::arch::testing

#include "fake_dense.h"
#include "fake_gemma4.h"
#include "fake_hybrid.h"
#include "fake_mixtures.h"

namespace jang::arch::testing {

struct NamedModel {
  std::string name;
  FakeModel model;
};

// One of every listed family and layout.
inline std::vector<NamedModel> all_models() {
  FakeModel gemma3 = gemma3_text();
  gemma3.config["model_type"] = "gemma3_text";
  const json::Value text = gemma3.config;
  gemma3.config = {{"model_type", "gemma3"}, {"text_config", text}, {"vision_config", {{"patch_size", 14}}}};
  for (TensorInfo& t : gemma3.tensors) t.name = "language_model." + t.name;
  gemma3.add("vision_tower.vision_model.embeddings.patch_embedding.weight", {64, 3, 14, 14});
  std::vector<NamedModel> models = {
      {"llama", dense("llama")},
      {"mistral", dense("mistral")},
      {"qwen2", dense("qwen2")},
      {"qwen3", dense("qwen3")},
      {"qwen3_moe_each", qwen3_moe(Experts::each)},
      {"qwen3_moe_fused", qwen3_moe(Experts::fused)},
      {"qwen3_moe_stacked", qwen3_moe(Experts::stacked)},
      {"gemma3_text", gemma3_text()},
      {"gemma3", gemma3},
      {"qwen3_5_text", qwen3_5(false, false)},
      {"qwen3_5", qwen3_5(false, true)},
      {"qwen3_5_moe_text", qwen3_5(true, false, Experts::each)},
      {"qwen3_5_moe", qwen3_5(true, true)},
      {"qwen3_next", qwen3_next()},
      {"qwen3_vl", wrapped(dense("qwen3"), "qwen3_vl", "model.visual.patch_embed.proj.weight", {64, 3, 2, 16, 16})},
      {"qwen3_vl_moe", wrapped(qwen3_moe(Experts::fused), "qwen3_vl_moe", "model.visual.patch_embed.proj.weight", {64, 3, 2, 16, 16})},
      {"mistral3", wrapped(dense("mistral"), "mistral3", "model.vision_tower.patch_conv.weight", {64, 3, 14, 14})},
      {"mixtral", mixtral()},
      {"qwen2_moe", qwen2_moe()},
      {"olmoe", olmoe()},
      {"minimax_m2", minimax_m2()},
      {"glm4_moe", glm4_moe()},
      {"deepseek_v2", deepseek(2)},
      {"deepseek_v3", deepseek(3)},
      {"gpt_oss", gpt_oss()},
      {"granitemoe", granitemoe()},
      {"ernie4_5_moe", ernie4_5_moe()},
      {"dots1", dots1()},
      {"exaone_moe", exaone_moe()},
      {"nemotron_h", nemotron_h()},
      {"granitemoehybrid", granitemoehybrid(true)},
      {"granitemoehybrid_dense", granitemoehybrid(false)},
      {"mamba2", mamba2()},
      {"gemma4_text", gemma4_text(Gemma4::dense)},
      {"gemma4_text_moe", gemma4_text(Gemma4::mixture)},
      {"gemma4_text_edge", gemma4_text(Gemma4::edge)},
      {"gemma4", wrapped(gemma4_text(Gemma4::mixture), "gemma4", "model.vision_tower.patch_embedder.input_proj.weight", {64, 588})}};
  for (auto& [name, model] : dense_families()) models.push_back({name, std::move(model)});
  for (auto& [name, model] : later_mixtures()) models.push_back({name, std::move(model)});
  models.push_back({"mistral3_ministral3", wrapped(ministral3(), "mistral3", "model.vision_tower.patch_conv.weight", {64, 3, 14, 14})});
  models.push_back({"mistral3_mistral4", wrapped(mistral4(), "mistral3", "model.vision_tower.patch_conv.weight", {64, 3, 14, 14})});
  return models;
}

}  // namespace jang::arch::testing
