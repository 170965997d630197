// SPDX-License-Identifier: Apache-2.0
// Sources of Gemma 4 in its sizes, as fake_model.h has them. Included by fake_model.h alone.
#pragma once

namespace jang::arch::testing {

enum class Gemma4 { dense, mixture, edge };

// What the last two layers of the smallest sizes lack, and what all of them have more.
inline void make_edge(FakeModel* m) {
  m->config.update(json::Value{{"hidden_size_per_layer_input", 32},
                               {"vocab_size_per_layer_input", 512},
                               {"num_kv_shared_layers", 2},
                               {"use_double_wide_mlp", true}});
  m->add("model.embed_tokens_per_layer.weight", {512, 128});
  m->add("model.per_layer_model_projection.weight", {128, 128});
  m->add("model.per_layer_projection_norm.weight", {32});
  for (int l = 0; l < 4; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    m->add(layer + "per_layer_input_gate.weight", {32, 128});
    m->add(layer + "per_layer_projection.weight", {128, 32});
    m->add(layer + "post_per_layer_input_norm.weight", {128});
    if (l < 2) continue;
    for (const char* of_keys : {"k_proj", "v_proj", "k_norm"}) m->remove(layer + "self_attn." + of_keys + ".weight");
    for (const char* map : {"gate_proj", "up_proj"}) m->find(layer + "mlp." + map + ".weight")->shape = {512, 128};
    m->find(layer + "mlp.down_proj.weight")->shape = {128, 512};
  }
}

// Layers with a window and without in turn: two heads of keys of 32 values, and one of 64 whose keys are the values too, but for the
// smallest sizes, where all layers have one head of keys and one of values.
inline FakeModel gemma4_text(Gemma4 size) {
  const bool edge = size == Gemma4::edge;
  FakeModel m{dense_config("gemma4_text", 4), {}};
  m.config.erase("tie_word_embeddings");
  m.config.erase("rope_theta");
  m.config.update(json::Value{{"global_head_dim", 64},
                              {"num_key_value_heads", edge ? 1 : 2},
                              {"num_global_key_value_heads", 1},
                              {"attention_k_eq_v", !edge},
                              {"sliding_window", 16},
                              {"final_logit_softcapping", 30.0},
                              {"hidden_size_per_layer_input", 0},
                              {"layer_types", {"sliding_attention", "full_attention", "sliding_attention", "full_attention"}}});
  add_ends(&m, "model", false);
  for (int l = 0; l < 4; ++l) {
    const std::string layer = "model.layers." + std::to_string(l), attention = layer + ".self_attn.";
    const int head = l % 2 == 0 ? 32 : 64;
    m.add(attention + "q_proj.weight", {4 * head, 128});
    m.add(attention + "k_proj.weight", {edge ? head : 64, 128});
    if (edge || l % 2 == 0) m.add(attention + "v_proj.weight", {edge ? head : 64, 128});
    m.add(attention + "o_proj.weight", {128, 4 * head});
    m.add(attention + "q_norm.weight", {head});
    m.add(attention + "k_norm.weight", {head});
    add_mlp(&m, layer + ".mlp");
    add_norms(&m, layer);
    m.add(layer + ".pre_feedforward_layernorm.weight", {128});
    m.add(layer + ".post_feedforward_layernorm.weight", {128});
    m.add(layer + ".layer_scalar", {1});
    if (size != Gemma4::mixture) continue;
    m.add(layer + ".router.proj.weight", {4, 128});
    m.add(layer + ".router.scale", {128});
    m.add(layer + ".router.per_expert_scale", {4});
    m.add(layer + ".experts.gate_up_proj", {4, 128, 128});
    m.add(layer + ".experts.down_proj", {4, 128, 64});
    for (const char* norm : {"post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"})
      m.add(layer + "." + norm + ".weight", {128});
  }
  if (edge) make_edge(&m);
  if (size == Gemma4::mixture)
    m.config.update(json::Value{{"enable_moe_block", true}, {"num_experts", 4}, {"top_k_experts", 2}, {"moe_intermediate_size", 64}});
  return m;
}

}  // namespace jang::arch::testing
