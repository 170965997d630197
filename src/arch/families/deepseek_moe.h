// SPDX-License-Identifier: Apache-2.0
// What DeepSeek's models and their descendants (GLM-4.5) share: the keys of their configs, dense layers before the mixtures, a correction
// of the router's scores, shared experts without a gate, and layers beyond the last that predict more tokens.
#pragma once

#include "arch/blocks.h"
#include "arch/family.h"

namespace jang::arch::deepseek_moe {

// Several shared experts are one, as wide as all of them.
inline constexpr Row kSharedExperts[] = {
    {"model.layers.*.mlp.shared_experts.gate_proj.weight", Role::shared_gate, {Dim::shared_ffn, Dim::hidden}, When::shared_expert},
    {"model.layers.*.mlp.shared_experts.up_proj.weight", Role::shared_up, {Dim::shared_ffn, Dim::hidden}, When::shared_expert},
    {"model.layers.*.mlp.shared_experts.down_proj.weight", Role::shared_down, {Dim::hidden, Dim::shared_ffn}, When::shared_expert},
};
inline constexpr Row kCorrection[] = {
    {"model.layers.*.mlp.gate.e_score_correction_bias", Role::bias, {Dim::experts}, When::moe_layer, {}, kKeepDtype},
};
inline constexpr Row kLatentAttention[] = {
    {"model.layers.*.self_attn.q_proj.weight", Role::attn_q, {Dim::latent_q, Dim::hidden}, When::direct_queries},
    {"model.layers.*.self_attn.q_a_proj.weight", Role::attn_q, {Dim::q_rank, Dim::hidden}, When::latent_queries},
    {"model.layers.*.self_attn.q_a_proj.bias", Role::bias, {Dim::q_rank}, When::latent_queries_bias},
    {"model.layers.*.self_attn.q_a_layernorm.weight", Role::norm, {Dim::q_rank}, When::latent_queries},
    {"model.layers.*.self_attn.q_b_proj.weight", Role::attn_q, {Dim::latent_q, Dim::q_rank}, When::latent_queries},
    {"model.layers.*.self_attn.kv_a_proj_with_mqa.weight", Role::attn_k, {Dim::kv_latent, Dim::hidden}},
    {"model.layers.*.self_attn.kv_a_proj_with_mqa.bias", Role::bias, {Dim::kv_latent}, When::attention_bias},
    {"model.layers.*.self_attn.kv_a_layernorm.weight", Role::norm, {Dim::kv_rank}},
    {"model.layers.*.self_attn.kv_b_proj.weight", Role::attn_v, {Dim::latent_kv, Dim::kv_rank}},
    {"model.layers.*.self_attn.o_proj.weight", Role::attn_o, {Dim::hidden, Dim::latent_out}},
    {"model.layers.*.self_attn.o_proj.bias", Role::bias, {Dim::hidden}, When::attention_bias},
};

// The rows of DeepSeek-V3, by whatever name its numbers go.
inline constexpr Block kLatentMixture[] = {blocks::kEmbedding, kLatentAttention,  blocks::kRoutedMlp, kCorrection,
                                           kSharedExperts,     blocks::kDenseMlp, blocks::kTwoNorms,  blocks::kHead};

inline constexpr std::uint16_t kReads = kReadsMoe | kMayShareExpert | kReadsSparseStep;

// n_routed_experts, n_shared_experts, first_k_dense_replace and moe_layer_freq as the keys that the shared code reads; RoPE at the top.
[[nodiscard]] Status edit(json::Value* text);
// Sigmoids, groups by their two best, the correction and the scale; shared experts without a gate.
[[nodiscard]] Status specify(const json::Value& text, DecoderConfig* config);
}  // namespace jang::arch::deepseek_moe
