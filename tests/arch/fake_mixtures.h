// SPDX-License-Identifier: Apache-2.0
// Sources of more mixtures, as fake_model.h has them: written from the published checkpoints' layouts. Included by fake_model.h alone.
#pragma once

namespace jang::arch::testing {

// Queries that grow from the fourth position on; experts fused in pairs, chosen by softmax.
inline FakeModel mistral4() {
  FakeModel m{dense_config("mistral4", 2), {}};
  add_deepseek_keys(&m);
  add_latent_keys(&m);
  m.config["q_lora_rank"] = 96;
  m.config["max_position_embeddings"] = 256;
  m.config["rope_parameters"] = {
      {"rope_type", "yarn"}, {"type", "yarn"},        {"rope_theta", 10000.0},       {"factor", 64.0},
      {"mscale", 1.0},       {"mscale_all_dim", 1.0}, {"llama_4_scaling_beta", 0.5}, {"original_max_position_embeddings", 4}};
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_latent_attention(&m, layer, true);
    if (l == 0) add_mlp(&m, layer + ".mlp");
    if (l == 1) add_experts(&m, layer + ".mlp", Experts::fused);
    if (l == 1) add_mlp(&m, layer + ".mlp.shared_experts", 128);
    add_norms(&m, layer);
  }
  return m;
}

// DeepSeek-V3 whose list of layers says which are mixtures; a layer beyond the last.
inline FakeModel glm4_moe_lite() {
  FakeModel m = deepseek(3);
  m.config["model_type"] = "glm4_moe_lite";
  m.config.erase("first_k_dense_replace");
  m.config["mlp_layer_types"] = {"dense", "sparse"};
  m.add("model.layers.2.eh_proj.weight", {128, 256});
  return m;
}

// The names of an expert's maps as published; a convolution, then attention, which is a mixture.
inline FakeModel lfm2_moe() {
  FakeModel m = lfm2();
  m.config["model_type"] = "lfm2_moe";
  for (const char* key : {"block_ff_dim", "block_multiple_of", "block_auto_adjust_ff_dim"}) m.config.erase(key);
  m.config.update(json::Value{{"intermediate_size", 128},
                              {"moe_intermediate_size", 64},
                              {"num_experts", 4},
                              {"num_experts_per_tok", 2},
                              {"num_dense_layers", 1},
                              {"use_expert_bias", true},
                              {"norm_topk_prob", true}});
  const std::string mixture = "model.layers.1.feed_forward.";
  std::erase_if(m.tensors, [&](const TensorInfo& t) { return t.name.starts_with(mixture); });
  m.add(mixture + "gate.weight", {4, 128});
  m.add(mixture + "expert_bias", {4}, DType::f32);
  for (int e = 0; e < 4; ++e) {
    const std::string expert = mixture + "experts." + std::to_string(e);
    m.add(expert + ".w1.weight", {64, 128});
    m.add(expert + ".w3.weight", {64, 128});
    m.add(expert + ".w2.weight", {128, 64});
  }
  return m;
}

// Ling 2: one map for queries, keys and values, norms of heads, half of a head rotated, a correction; a layer beyond the last.
inline FakeModel bailing_moe() {
  FakeModel m{dense_config("bailing_moe", 2), {}};
  m.config.update(json::Value{{"num_experts", 4},
                              {"num_experts_per_tok", 2},
                              {"moe_intermediate_size", 64},
                              {"num_shared_experts", 2},
                              {"first_k_dense_replace", 1},
                              {"n_group", 2},
                              {"topk_group", 1},
                              {"routed_scaling_factor", 2.5},
                              {"score_function", "sigmoid"},
                              {"moe_router_enable_expert_bias", true},
                              {"use_qk_norm", true},
                              {"norm_topk_prob", true},
                              {"partial_rotary_factor", 0.5},
                              {"max_position_embeddings", 256}});
  m.add("model.word_embeddings.weight", {512, 128});
  m.add("model.norm.weight", {128});
  m.add("lm_head.weight", {512, 128});
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    m.add(layer + ".attention.query_key_value.weight", {256, 128});
    m.add(layer + ".attention.dense.weight", {128, 128});
    m.add(layer + ".attention.query_layernorm.weight", {32});
    m.add(layer + ".attention.key_layernorm.weight", {32});
    add_deepseek_ffn(&m, layer, l, false);
    if (l == 1) m.add(layer + ".mlp.gate.expert_bias", {4}, DType::f32);
    add_norms(&m, layer);
  }
  m.add("model.layers.2.eh_proj.weight", {128, 256});
  return m;
}

// No dense layer, biases on queries, keys and values.
inline FakeModel solar_open() {
  FakeModel m{dense_config("solar_open", 2), {}};
  add_deepseek_keys(&m);
  m.config.erase("first_k_dense_replace");
  m.config["attention_bias"] = true;
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l);
    add_attention(&m, layer);
    for (const char* p : {"q", "k", "v"}) m.add(layer + ".self_attn." + p + "_proj.bias", {p[0] == 'q' ? 128 : 64});
    add_deepseek_ffn(&m, layer, 1, true);
    add_norms(&m, layer);
  }
  return m;
}

// A dense layer that sees chunks of 64 positions, and a mixture that sees everything, rotates nothing and has queries that grow from the
// fourth position on. Experts upright, as sources are presented.
inline FakeModel llama4() {
  FakeModel m{dense_config("llama4_text", 2), {}};
  m.config.update(json::Value{{"intermediate_size", 64},
                              {"intermediate_size_mlp", 256},
                              {"num_local_experts", 4},
                              {"num_experts_per_tok", 1},
                              {"interleave_moe_layer_step", 2},
                              {"no_rope_layers", {1, 0}},
                              {"attention_chunk_size", 64},
                              {"floor_scale", 4},
                              {"attn_scale", 0.5},
                              {"attn_temperature_tuning", 4},
                              {"use_qk_norm", true},
                              {"attention_bias", false},
                              {"max_position_embeddings", 256}});
  add_ends(&m, "model", true);
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "model.layers." + std::to_string(l), ffn = layer + ".feed_forward";
    add_attention(&m, layer);
    add_norms(&m, layer);
    if (l == 0) {
      add_mlp(&m, ffn);
      continue;
    }
    m.add(ffn + ".router.weight", {4, 128});
    m.add(ffn + ".experts.gate_proj.weight", {4, 64, 128});
    m.add(ffn + ".experts.up_proj.weight", {4, 64, 128});
    m.add(ffn + ".experts.down_proj.weight", {4, 128, 64});
    add_mlp(&m, ffn + ".shared_expert", 64);
  }
  const json::Value text = m.config;
  m.config = {{"model_type", "llama4"}, {"text_config", text}, {"vision_config", {{"patch_size", 14}}}};
  for (TensorInfo& t : m.tensors) t.name = "language_model." + t.name;
  m.add("vision_model.class_embedding", {64});
  return m;
}

inline FakeModel kimi_k25() {
  FakeModel m = deepseek(3);
  const json::Value text = m.config;
  m.config = {{"model_type", "kimi_k25"}, {"text_config", text}, {"vision_config", {{"patch_size", 14}}}};
  for (TensorInfo& t : m.tensors) t.name = "language_model." + t.name;
  m.add("vision_tower.patch_embed.proj.weight", {64, 3, 14, 14});
  return m;
}

inline std::vector<std::pair<std::string, FakeModel>> later_mixtures() {
  return {{"mistral4", mistral4()},       {"glm4_moe_lite", glm4_moe_lite()}, {"lfm2_moe", lfm2_moe()},
          {"bailing_moe", bailing_moe()}, {"solar_open", solar_open()},       {"llama4", llama4()},
          {"kimi_k25", kimi_k25()}};
}

}  // namespace jang::arch::testing
