// SPDX-License-Identifier: Apache-2.0
// Blocks of rows that many families share. A family lists the blocks it is made of and adds rows of its own where it differs.
// Order inside a layer is part of the model's order: attention, MLP, norms.
#pragma once

#include "arch/family.h"

namespace jang::arch::blocks {

inline constexpr Row kEmbedding[] = {{"model.embed_tokens.weight", Role::embedding, {Dim::vocab, Dim::hidden}}};

inline constexpr Row kHead[] = {
    {"model.norm.weight", Role::norm, {Dim::hidden}},
    {"lm_head.weight", Role::lm_head, {Dim::vocab, Dim::hidden}, When::untied},
};

// Softmax attention of every layer, without biases.
inline constexpr Row kAttention[] = {
    {"model.layers.*.self_attn.q_proj.weight", Role::attn_q, {Dim::q, Dim::hidden}},
    {"model.layers.*.self_attn.k_proj.weight", Role::attn_k, {Dim::kv, Dim::hidden}},
    {"model.layers.*.self_attn.v_proj.weight", Role::attn_v, {Dim::kv, Dim::hidden}},
    {"model.layers.*.self_attn.o_proj.weight", Role::attn_o, {Dim::hidden, Dim::q}},
};

// The same on layers that have attention and no other mixer.
inline constexpr Row kSomeAttention[] = {
    {"model.layers.*.self_attn.q_proj.weight", Role::attn_q, {Dim::q, Dim::hidden}, When::attention_layer},
    {"model.layers.*.self_attn.k_proj.weight", Role::attn_k, {Dim::kv, Dim::hidden}, When::attention_layer},
    {"model.layers.*.self_attn.v_proj.weight", Role::attn_v, {Dim::kv, Dim::hidden}, When::attention_layer},
    {"model.layers.*.self_attn.o_proj.weight", Role::attn_o, {Dim::hidden, Dim::q}, When::attention_layer},
};

// With one map for queries, keys and values.
inline constexpr Row kFusedAttention[] = {
    {"model.layers.*.self_attn.qkv_proj.weight", Role::attn_qkv, {Dim::qkv, Dim::hidden}},
    {"model.layers.*.self_attn.o_proj.weight", Role::attn_o, {Dim::hidden, Dim::q}},
};

// Biases of attention: on all four maps, or on those of queries, keys and values.
inline constexpr Row kAttentionBiases[] = {
    {"model.layers.*.self_attn.q_proj.bias", Role::bias, {Dim::q}, When::attention_bias},
    {"model.layers.*.self_attn.k_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
    {"model.layers.*.self_attn.v_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
    {"model.layers.*.self_attn.o_proj.bias", Role::bias, {Dim::hidden}, When::attention_bias},
};
inline constexpr Row kQkvBiases[] = {
    {"model.layers.*.self_attn.q_proj.bias", Role::bias, {Dim::q}, When::attention_bias},
    {"model.layers.*.self_attn.k_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
    {"model.layers.*.self_attn.v_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
};

inline constexpr Row kQkNorms[] = {
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::head}},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::head}},
};

// Over all heads of a row at once.
inline constexpr Row kRowQkNorms[] = {
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::q}},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::kv}},
};

inline constexpr Row kDenseMlp[] = {
    {"model.layers.*.mlp.gate_proj.weight", Role::mlp_gate, {Dim::ffn, Dim::hidden}, When::dense_layer},
    {"model.layers.*.mlp.up_proj.weight", Role::mlp_up, {Dim::ffn, Dim::hidden}, When::dense_layer},
    {"model.layers.*.mlp.down_proj.weight", Role::mlp_down, {Dim::hidden, Dim::ffn}, When::dense_layer},
};

// Gate and up as one map, gate first.
inline constexpr Row kFusedMlp[] = {
    {"model.layers.*.mlp.gate_up_proj.weight", Role::mlp_gate_up, {Dim::gate_up, Dim::hidden}},
    {"model.layers.*.mlp.down_proj.weight", Role::mlp_down, {Dim::hidden, Dim::ffn}},
};

inline constexpr Row kMlpBiases[] = {
    {"model.layers.*.mlp.gate_proj.bias", Role::bias, {Dim::ffn}, When::mlp_bias},
    {"model.layers.*.mlp.up_proj.bias", Role::bias, {Dim::ffn}, When::mlp_bias},
    {"model.layers.*.mlp.down_proj.bias", Role::bias, {Dim::hidden}, When::mlp_bias},
};

// Without a gate, with biases.
inline constexpr Row kPlainMlp[] = {
    {"model.layers.*.mlp.up_proj.weight", Role::mlp_up, {Dim::ffn, Dim::hidden}},
    {"model.layers.*.mlp.up_proj.bias", Role::bias, {Dim::ffn}},
    {"model.layers.*.mlp.down_proj.weight", Role::mlp_down, {Dim::hidden, Dim::ffn}},
    {"model.layers.*.mlp.down_proj.bias", Role::bias, {Dim::hidden}},
};

// The same with biases where the config says so.
inline constexpr Row kSwitchedPlainMlp[] = {
    {"model.layers.*.mlp.up_proj.weight", Role::mlp_up, {Dim::ffn, Dim::hidden}},
    {"model.layers.*.mlp.up_proj.bias", Role::bias, {Dim::ffn}, When::mlp_bias},
    {"model.layers.*.mlp.down_proj.weight", Role::mlp_down, {Dim::hidden, Dim::ffn}},
    {"model.layers.*.mlp.down_proj.bias", Role::bias, {Dim::hidden}, When::mlp_bias},
};

// Routed experts: already stacked, fused in pairs, or one tensor each.
inline constexpr Form kExpertGate[] = {
    {"model.layers.*.mlp.experts.gate_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.experts.gate_up_proj", LayoutRule::first_half},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", LayoutRule::stack_experts},
};
inline constexpr Form kExpertUp[] = {
    {"model.layers.*.mlp.experts.up_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.experts.gate_up_proj", LayoutRule::second_half},
    {"model.layers.*.mlp.experts.*.up_proj.weight", LayoutRule::stack_experts},
};
inline constexpr Form kExpertDown[] = {
    {"model.layers.*.mlp.experts.down_proj.weight", LayoutRule::whole},
    {"model.layers.*.mlp.experts.down_proj", LayoutRule::whole},
    {"model.layers.*.mlp.experts.*.down_proj.weight", LayoutRule::stack_experts},
};
inline constexpr Row kRoutedMlp[] = {
    {"model.layers.*.mlp.gate.weight", Role::router, {Dim::experts, Dim::hidden}, When::moe_layer},
    {"model.layers.*.mlp.experts.gate_proj.weight",
     Role::expert_gate,
     {Dim::experts, Dim::expert_ffn, Dim::hidden},
     When::moe_layer,
     kExpertGate},
    {"model.layers.*.mlp.experts.up_proj.weight",
     Role::expert_up,
     {Dim::experts, Dim::expert_ffn, Dim::hidden},
     When::moe_layer,
     kExpertUp},
    {"model.layers.*.mlp.experts.down_proj.weight",
     Role::expert_down,
     {Dim::experts, Dim::hidden, Dim::expert_ffn},
     When::moe_layer,
     kExpertDown},
};

// The one norm of layers whose blocks read the same, or that have one block.
inline constexpr Row kOneNorm[] = {{"model.layers.*.input_layernorm.weight", Role::norm, {Dim::hidden}}};

inline constexpr Row kTwoNorms[] = {
    {"model.layers.*.input_layernorm.weight", Role::norm, {Dim::hidden}},
    {"model.layers.*.post_attention_layernorm.weight", Role::norm, {Dim::hidden}},
};

// Norms::around, and Norms::after.
inline constexpr Row kFourNorms[] = {
    {"model.layers.*.input_layernorm.weight", Role::norm, {Dim::hidden}},
    {"model.layers.*.post_attention_layernorm.weight", Role::norm, {Dim::hidden}},
    {"model.layers.*.pre_feedforward_layernorm.weight", Role::norm, {Dim::hidden}},
    {"model.layers.*.post_feedforward_layernorm.weight", Role::norm, {Dim::hidden}},
};
inline constexpr Row kNormsAfter[] = {
    {"model.layers.*.post_attention_layernorm.weight", Role::norm, {Dim::hidden}},
    {"model.layers.*.post_feedforward_layernorm.weight", Role::norm, {Dim::hidden}},
};

// LayerNorm has biases.
inline constexpr Row kTwoBiasedNorms[] = {
    {"model.layers.*.input_layernorm.weight", Role::norm, {Dim::hidden}},
    {"model.layers.*.input_layernorm.bias", Role::bias, {Dim::hidden}},
    {"model.layers.*.post_attention_layernorm.weight", Role::norm, {Dim::hidden}},
    {"model.layers.*.post_attention_layernorm.bias", Role::bias, {Dim::hidden}},
};
inline constexpr Row kBiasedHead[] = {
    {"model.norm.weight", Role::norm, {Dim::hidden}},
    {"model.norm.bias", Role::bias, {Dim::hidden}},
    {"lm_head.weight", Role::lm_head, {Dim::vocab, Dim::hidden}, When::untied},
};

// Checkpoints saved from the bare decoder lack the "model." prefix, those saved from the inside of a multimodal model have another.
inline constexpr Rename kBareDecoder[] = {
    {"layers.", "model.layers."},        {"embed_tokens.", "model.embed_tokens."}, {"norm.", "model.norm."},
    {"language_model.model.", "model."}, {"language_model.lm_head.", "lm_head."},  {"model.language_model.", "model."}};

// What transformers assumes for these classes where a config is silent; loaders demand the keys or assume other values.
inline constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-06"}, {"rope_theta", "10000.0"}};

}  // namespace jang::arch::blocks
