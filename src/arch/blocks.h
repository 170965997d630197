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

inline constexpr Row kQkNorms[] = {
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::head}},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::head}},
};

inline constexpr Row kDenseMlp[] = {
    {"model.layers.*.mlp.gate_proj.weight", Role::mlp_gate, {Dim::ffn, Dim::hidden}, When::dense_layer},
    {"model.layers.*.mlp.up_proj.weight", Role::mlp_up, {Dim::ffn, Dim::hidden}, When::dense_layer},
    {"model.layers.*.mlp.down_proj.weight", Role::mlp_down, {Dim::hidden, Dim::ffn}, When::dense_layer},
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

inline constexpr Row kTwoNorms[] = {
    {"model.layers.*.input_layernorm.weight", Role::norm, {Dim::hidden}},
    {"model.layers.*.post_attention_layernorm.weight", Role::norm, {Dim::hidden}},
};

// Checkpoints saved from the bare decoder lack the "model." prefix, those saved from the inside of a multimodal model have another.
inline constexpr Rename kBareDecoder[] = {
    {"layers.", "model.layers."},        {"embed_tokens.", "model.embed_tokens."}, {"norm.", "model.norm."},
    {"language_model.model.", "model."}, {"language_model.lm_head.", "lm_head."},  {"model.language_model.", "model."}};

// What transformers assumes for these classes where a config is silent; loaders demand the keys or assume other values.
inline constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-06"}, {"rope_theta", "10000.0"}};

}  // namespace jang::arch::blocks
