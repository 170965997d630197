// SPDX-License-Identifier: Apache-2.0
// Sources of the dense families that are neither llama nor Qwen, as fake_model.h has them: written from the published checkpoints' layouts.
// Included by fake_model.h alone.
#pragma once

#include <cmath>

namespace jang::arch::testing {

// Two layers of a family whose layers have these tensors, with "#" for the layer; embedding, last norm and head as llama has them.
struct LayerTensor {
  std::string name;
  Shape shape;
};
inline FakeModel dense_family(const std::string& type, const json::Value& numbers, const std::vector<LayerTensor>& layer,
                              bool has_head = true) {
  FakeModel m{dense_config(type, 2), {}};
  m.config.update(numbers);
  if (!has_head) m.config["tie_word_embeddings"] = true;
  add_ends(&m, "model", has_head);
  for (int l = 0; l < 2; ++l)
    for (const LayerTensor& t : layer) m.add("model.layers." + std::to_string(l) + "." + t.name, t.shape);
  return m;
}

using LayerTensors = std::vector<LayerTensor>;
inline LayerTensors operator+(LayerTensors a, const LayerTensors& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline LayerTensors vectors(std::initializer_list<const char*> names, std::int64_t n = 128) {
  LayerTensors made;
  for (const char* name : names) made.push_back({name, {n}});
  return made;
}
inline LayerTensors attention_maps() {
  return {{"self_attn.q_proj.weight", {128, 128}},
          {"self_attn.k_proj.weight", {64, 128}},
          {"self_attn.v_proj.weight", {64, 128}},
          {"self_attn.o_proj.weight", {128, 128}}};
}
inline LayerTensors qkv_biases() {
  return {{"self_attn.q_proj.bias", {128}}, {"self_attn.k_proj.bias", {64}}, {"self_attn.v_proj.bias", {64}}};
}
inline LayerTensors gated_maps() {
  return {{"mlp.gate_proj.weight", {256, 128}}, {"mlp.up_proj.weight", {256, 128}}, {"mlp.down_proj.weight", {128, 256}}};
}
inline LayerTensors fused_maps() { return {{"mlp.gate_up_proj.weight", {512, 128}}, {"mlp.down_proj.weight", {128, 256}}}; }
inline LayerTensors two_norms() { return vectors({"input_layernorm.weight", "post_attention_layernorm.weight"}); }

// Biases and centred norms under the names of the family.
inline FakeModel starcoder2() {
  FakeModel m =
      dense_family("starcoder2", {{"norm_epsilon", 1e-6}, {"sliding_window", 16}},
                   attention_maps() + qkv_biases() + two_norms() +
                       vectors({"self_attn.o_proj.bias", "mlp.c_proj.bias", "input_layernorm.bias", "post_attention_layernorm.bias"}) +
                       LayerTensors{{"mlp.c_fc.weight", {256, 128}}, {"mlp.c_fc.bias", {256}}, {"mlp.c_proj.weight", {128, 256}}});
  m.add("model.norm.bias", {128});
  return m;
}

inline FakeModel gpt_neox() {
  FakeModel m{dense_config("gpt_neox", 2), {}};
  m.config.erase("num_key_value_heads");
  m.config.update(json::Value{
      {"layer_norm_eps", 1e-6}, {"rotary_pct", 0.25}, {"rotary_emb_base", 10000}, {"hidden_act", "gelu"}, {"intermediate_size", 512}});
  m.add("gpt_neox.embed_in.weight", {512, 128});
  m.add("gpt_neox.final_layer_norm.weight", {128});
  m.add("gpt_neox.final_layer_norm.bias", {128});
  m.add("embed_out.weight", {512, 128});
  for (int l = 0; l < 2; ++l) {
    const std::string layer = "gpt_neox.layers." + std::to_string(l) + ".";
    for (const char* norm : {"input_layernorm.weight", "input_layernorm.bias", "post_attention_layernorm.weight",
                             "post_attention_layernorm.bias", "attention.dense.bias", "mlp.dense_4h_to_h.bias"})
      m.add(layer + norm, {128});
    m.add(layer + "attention.query_key_value.weight", {384, 128});
    m.add(layer + "attention.query_key_value.bias", {384});
    m.add(layer + "attention.dense.weight", {128, 128});
    m.add(layer + "mlp.dense_h_to_4h.weight", {512, 128});
    m.add(layer + "mlp.dense_h_to_4h.bias", {512});
    m.add(layer + "mlp.dense_4h_to_h.weight", {128, 512});
  }
  return m;
}

inline LayerTensors biased_norms() { return two_norms() + vectors({"input_layernorm.bias", "post_attention_layernorm.bias"}); }

// LayerNorm and biases of queries, keys and values under a switch of its own.
inline FakeModel stablelm() {
  FakeModel m = dense_family("stablelm", {{"layer_norm_eps", 1e-6}, {"use_qkv_bias", true}, {"partial_rotary_factor", 0.25}},
                             attention_maps() + qkv_biases() + gated_maps() + biased_norms());
  m.add("model.norm.bias", {128});
  return m;
}

// No gate, no bias but those of the norms.
inline FakeModel nemotron() {
  FakeModel m = dense_family(
      "nemotron", {{"norm_eps", 1e-6}, {"hidden_act", "relu2"}},
      attention_maps() + biased_norms() + LayerTensors{{"mlp.up_proj.weight", {256, 128}}, {"mlp.down_proj.weight", {128, 256}}});
  m.add("model.norm.bias", {128});
  return m;
}

// One norm for both branches; a bias on every map, the head's included.
inline FakeModel phi() {
  LayerTensors layer = attention_maps() + qkv_biases() +
                       vectors({"self_attn.dense.bias", "mlp.fc2.bias", "input_layernorm.weight", "input_layernorm.bias"}) +
                       LayerTensors{{"mlp.fc1.weight", {256, 128}}, {"mlp.fc1.bias", {256}}, {"mlp.fc2.weight", {128, 256}}};
  for (LayerTensor& t : layer)
    if (t.name == "self_attn.o_proj.weight") t.name = "self_attn.dense.weight";
  FakeModel m = dense_family("phi", {{"layer_norm_eps", 1e-6}, {"hidden_act", "gelu_new"}}, layer);
  m.find("model.norm.weight")->name = "model.final_layernorm.weight";
  m.add("model.final_layernorm.bias", {128});
  m.add("lm_head.bias", {512});
  return m;
}

// A convolution between gates, then attention; the MLP as wide as a config says that adjusts it, 128 for 190.
inline FakeModel lfm2() {
  FakeModel m = dense_family("lfm2", {{"norm_eps", 1e-6}, {"conv_L_cache", 3}, {"layer_types", {"conv", "full_attention"}}},
                             vectors({"operator_norm.weight", "ffn_norm.weight"}) + LayerTensors{{"feed_forward.w1.weight", {128, 128}},
                                                                                                 {"feed_forward.w3.weight", {128, 128}},
                                                                                                 {"feed_forward.w2.weight", {128, 128}}},
                             false);
  m.config.update(json::Value{{"block_ff_dim", 190}, {"block_multiple_of", 64}, {"block_auto_adjust_ff_dim", true}});
  m.config.erase("intermediate_size");
  m.find("model.norm.weight")->name = "model.embedding_norm.weight";
  const std::string conv = "model.layers.0.conv.", attention = "model.layers.1.self_attn.";
  m.add(conv + "in_proj.weight", {384, 128});
  m.add(conv + "out_proj.weight", {128, 128});
  m.add(conv + "conv.weight", {128, 1, 3});
  for (const LayerTensor& t : attention_maps())
    m.add("model.layers.1." + (t.name == "self_attn.o_proj.weight" ? "self_attn.out_proj.weight" : t.name), t.shape);
  m.add(attention + "q_layernorm.weight", {32});
  m.add(attention + "k_layernorm.weight", {32});
  return m;
}

// Queries that grow from the fourth position on.
inline FakeModel ministral3() {
  return dense_family("ministral3",
                      {{"max_position_embeddings", 256},
                       {"rope_parameters",
                        {{"rope_type", "yarn"},
                         {"type", "yarn"},
                         {"rope_theta", 10000.0},
                         {"factor", 64.0},
                         {"mscale", 1.0},
                         {"mscale_all_dim", 1.0},
                         {"llama_4_scaling_beta", 0.5},
                         {"original_max_position_embeddings", 4}}}},
                      attention_maps() + gated_maps() + two_norms());
}

// GPT-2's names of everything, of numbers too.
inline FakeModel exaone() {
  FakeModel m = dense_family("exaone", {{"num_layers", 2}, {"layer_norm_epsilon", 1e-6}, {"activation_function", "silu"}},
                             attention_maps() + gated_maps() + two_norms());
  m.config.erase("rms_norm_eps");
  m.config.erase("num_hidden_layers");
  const std::pair<std::string, std::string> names[] = {{"model.layers.", "transformer.h."},
                                                       {"model.embed_tokens", "transformer.wte"},
                                                       {"model.norm", "transformer.ln_f"},
                                                       {"self_attn.o_proj", "attn.attention.out_proj"},
                                                       {"self_attn.", "attn.attention."},
                                                       {"gate_proj", "c_fc_0"},
                                                       {"up_proj", "c_fc_1"},
                                                       {"down_proj", "c_proj"},
                                                       {"input_layernorm", "ln_1"},
                                                       {"post_attention_layernorm", "ln_2"}};
  for (TensorInfo& t : m.tensors)
    for (const auto& [canonical, published] : names)
      if (const std::size_t at = t.name.find(canonical); at != std::string::npos) t.name.replace(at, canonical.size(), published);
  return m;
}

inline FakeModel internlm2() {
  FakeModel m = dense_family("internlm2", {{"bias", false}},
                             LayerTensors{{"attention.wqkv.weight", {256, 128}},
                                          {"attention.wo.weight", {128, 128}},
                                          {"feed_forward.w1.weight", {256, 128}},
                                          {"feed_forward.w3.weight", {256, 128}},
                                          {"feed_forward.w2.weight", {128, 256}}} +
                                 vectors({"attention_norm.weight", "ffn_norm.weight"}));
  m.find("model.embed_tokens.weight")->name = "model.tok_embeddings.weight";
  m.find("lm_head.weight")->name = "output.weight";
  return m;
}

inline FakeModel mimo() {
  FakeModel m = dense_family("mimo", {{"max_position_embeddings", 256}}, attention_maps() + qkv_biases() + gated_maps() + two_norms());
  m.add("model.mtp_layers.0.input_proj.weight", {128, 256});
  return m;
}

inline std::vector<std::pair<std::string, FakeModel>> dense_families() {
  const LayerTensors head_norms = vectors({"self_attn.q_norm.weight", "self_attn.k_norm.weight"}, 32);
  const LayerTensors row_norms = {{"self_attn.q_norm.weight", {128}}, {"self_attn.k_norm.weight", {64}}};
  const LayerTensors norms_after = vectors({"post_attention_layernorm.weight", "post_feedforward_layernorm.weight"});
  const LayerTensors four_norms = two_norms() + vectors({"pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"});
  const json::Value types = {"sliding_attention", "full_attention"};
  const json::Value longrope = {{"rope_type", "longrope"},
                                {"short_factor", {1.0, 1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0, 2.2, 2.5, 3.0, 3.5}},
                                {"long_factor", {1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0}}};
  return {
      {"phi3", dense_family("phi3",
                            {{"partial_rotary_factor", 0.75},
                             {"rope_scaling", longrope},
                             {"max_position_embeddings", 512},
                             {"original_max_position_embeddings", 64}},
                            LayerTensors{{"self_attn.qkv_proj.weight", {256, 128}}, {"self_attn.o_proj.weight", {128, 128}}} +
                                fused_maps() + two_norms())},
      {"gemma", dense_family("gemma", json::Value::object(), attention_maps() + gated_maps() + two_norms(), false)},
      {"gemma2", dense_family("gemma2", {{"sliding_window", 16}, {"query_pre_attn_scalar", 32}},
                              attention_maps() + gated_maps() + four_norms, false)},
      {"olmo2", dense_family("olmo2", json::Value::object(), attention_maps() + row_norms + gated_maps() + norms_after)},
      {"olmo3",
       dense_family("olmo3", {{"layer_types", types}, {"sliding_window", 16}}, attention_maps() + row_norms + gated_maps() + norms_after)},
      {"granite", dense_family("granite", {{"embedding_multiplier", 12.0}, {"logits_scaling", 8.0}, {"attention_multiplier", 0.25}},
                               attention_maps() + gated_maps() + two_norms())},
      {"smollm3", dense_family("smollm3", {{"no_rope_layers", {1, 0}}}, attention_maps() + gated_maps() + two_norms())},
      {"seed_oss", dense_family("seed_oss", json::Value::object(), attention_maps() + qkv_biases() + gated_maps() + two_norms())},
      {"cohere2", dense_family("cohere2", {{"layer_norm_eps", 1e-6}, {"layer_types", types}, {"sliding_window", 16}, {"logit_scale", 0.25}},
                               attention_maps() + gated_maps() + vectors({"input_layernorm.weight"}), false)},
      {"exaone4", dense_family("exaone4", {{"sliding_window_pattern", "LG"}, {"sliding_window", 16}},
                               attention_maps() + head_norms + gated_maps() + norms_after)},
      {"glm4", dense_family("glm4", {{"partial_rotary_factor", 0.5}, {"attention_bias", true}},
                            attention_maps() + qkv_biases() + fused_maps() + two_norms() +
                                vectors({"post_self_attn_layernorm.weight", "post_mlp_layernorm.weight"}))},
      {"hunyuan_v1_dense",
       dense_family("hunyuan_v1_dense", {{"rope_scaling", {{"type", "dynamic"}, {"alpha", 1000.0}, {"factor", 1.0}}}},
                    attention_maps() + vectors({"self_attn.query_layernorm.weight", "self_attn.key_layernorm.weight"}, 32) + gated_maps() +
                        two_norms())},
      {"ernie4_5", dense_family("ernie4_5", json::Value::object(), attention_maps() + gated_maps() + two_norms())},
      {"starcoder2", starcoder2()},
      {"gpt_neox", gpt_neox()},
      {"stablelm", stablelm()},
      {"internlm3", dense_family("internlm3", {{"qkv_bias", true}, {"bias", true}},
                                 attention_maps() + qkv_biases() + gated_maps() + two_norms() +
                                     vectors({"self_attn.o_proj.bias", "mlp.down_proj.bias"}) +
                                     vectors({"mlp.gate_proj.bias", "mlp.up_proj.bias"}, 256))},
      {"helium", dense_family("helium", {{"attention_bias", false}, {"mlp_bias", false}}, attention_maps() + gated_maps() + two_norms())},
      {"nemotron", nemotron()},
      {"phi", phi()},
      {"lfm2", lfm2()},
      {"ministral3", ministral3()},
      {"cohere", dense_family("cohere", {{"layer_norm_eps", 1e-6}, {"logit_scale", 0.25}, {"max_position_embeddings", 256}},
                              attention_maps() + gated_maps() + vectors({"input_layernorm.weight"}), false)},
      {"exaone", exaone()},
      {"internlm2", internlm2()},
      {"mimo", mimo()},
      {"minicpm", dense_family("minicpm", {{"scale_emb", 12.0}, {"scale_depth", std::sqrt(2.0)}, {"dim_model_base", 64}},
                               attention_maps() + gated_maps() + two_norms())},
  };
}

}  // namespace jang::arch::testing
