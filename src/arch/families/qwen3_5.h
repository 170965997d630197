// SPDX-License-Identifier: Apache-2.0
// What qwen3_5, qwen3_5_moe and qwen3_next share: Gated DeltaNet on most layers, gated softmax attention on every
// full_attention_interval-th, zero-centred norms, the names of the wrapped checkpoints, and the parts left out of a text bundle.
#pragma once

#include "arch/family.h"

namespace jang::arch::qwen3_5 {

// Queries come with their output gates, interleaved per head, hence q_gated. Norms are published minus one.
inline constexpr Row kGatedAttention[] = {
    {"model.layers.*.self_attn.q_proj.weight", Role::attn_q, {Dim::q_gated, Dim::hidden}, When::attention_layer},
    {"model.layers.*.self_attn.k_proj.weight", Role::attn_k, {Dim::kv, Dim::hidden}, When::attention_layer},
    {"model.layers.*.self_attn.v_proj.weight", Role::attn_v, {Dim::kv, Dim::hidden}, When::attention_layer},
    {"model.layers.*.self_attn.o_proj.weight", Role::attn_o, {Dim::hidden, Dim::q}, When::attention_layer},
    {"model.layers.*.self_attn.q_proj.bias", Role::bias, {Dim::q_gated}, When::attention_layer_bias},
    {"model.layers.*.self_attn.k_proj.bias", Role::bias, {Dim::kv}, When::attention_layer_bias},
    {"model.layers.*.self_attn.v_proj.bias", Role::bias, {Dim::kv}, When::attention_layer_bias},
    {"model.layers.*.self_attn.o_proj.bias", Role::bias, {Dim::hidden}, When::attention_layer_bias},
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::head}, When::attention_layer, {}, kZeroCentred},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::head}, When::attention_layer, {}, kZeroCentred},
};

// linear_attn.norm is an ordinary norm: it is not shifted.
inline constexpr Row kDeltaNet[] = {
    {"model.layers.*.linear_attn.in_proj_qkv.weight", Role::linear_attn_qkv, {Dim::delta_qkv, Dim::hidden}, When::delta_layer},
    {"model.layers.*.linear_attn.in_proj_z.weight", Role::linear_attn_z, {Dim::delta_v, Dim::hidden}, When::delta_layer},
    {"model.layers.*.linear_attn.in_proj_b.weight", Role::linear_attn_ab, {Dim::delta_heads, Dim::hidden}, When::delta_layer},
    {"model.layers.*.linear_attn.in_proj_a.weight", Role::linear_attn_ab, {Dim::delta_heads, Dim::hidden}, When::delta_layer},
    {"model.layers.*.linear_attn.out_proj.weight", Role::linear_attn_out, {Dim::hidden, Dim::delta_v}, When::delta_layer},
    {"model.layers.*.linear_attn.conv1d.weight", Role::conv, {Dim::delta_qkv, Dim::one, Dim::conv_kernel}, When::delta_layer},
    {"model.layers.*.linear_attn.A_log", Role::state, {Dim::delta_heads}, When::delta_layer, {}, kKeepDtype},
    {"model.layers.*.linear_attn.dt_bias", Role::state, {Dim::delta_heads}, When::delta_layer},
    {"model.layers.*.linear_attn.norm.weight", Role::norm, {Dim::delta_head_v}, When::delta_layer},
};

// One expert that every token runs, weighed by a sigmoid gate.
inline constexpr Row kSharedExpert[] = {
    {"model.layers.*.mlp.shared_expert_gate.weight", Role::shared_router, {Dim::one, Dim::hidden}, When::moe_layer},
    {"model.layers.*.mlp.shared_expert.gate_proj.weight", Role::shared_gate, {Dim::shared_ffn, Dim::hidden}, When::moe_layer},
    {"model.layers.*.mlp.shared_expert.up_proj.weight", Role::shared_up, {Dim::shared_ffn, Dim::hidden}, When::moe_layer},
    {"model.layers.*.mlp.shared_expert.down_proj.weight", Role::shared_down, {Dim::hidden, Dim::shared_ffn}, When::moe_layer},
};

inline constexpr Row kNorms[] = {
    {"model.layers.*.input_layernorm.weight", Role::norm, {Dim::hidden}, When::always, {}, kZeroCentred},
    {"model.layers.*.post_attention_layernorm.weight", Role::norm, {Dim::hidden}, When::always, {}, kZeroCentred},
};
inline constexpr Row kHead[] = {
    {"model.norm.weight", Role::norm, {Dim::hidden}, When::always, {}, kZeroCentred},
    {"lm_head.weight", Role::lm_head, {Dim::vocab, Dim::hidden}, When::untied},
};

inline constexpr Traits kTraits = {
    .qk_norm = true, .gated_attention = true, .always_norm_topk = true, .reads_partial_rotary = true, .partial_rotary = 0.25};

inline constexpr Rename kPrefixes[] = {{"model.language_model.", "model."}, {"language_model.", ""}};
inline constexpr Drop kDrops[] = {{"mtp", "", "multi-token-prediction head: the decoder has none"}};
inline constexpr std::string_view kTowers[] = {"model.visual", "visual", "vision_tower"};

// layer_types (new configs) to full_attention_interval (old ones).
[[nodiscard]] Status edit(json::Value* text);

}  // namespace jang::arch::qwen3_5

namespace jang::arch {

// Qwen3.5, dense.
extern const Family kQwen35;

}  // namespace jang::arch
