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
inline constexpr std::uint8_t kReads = kReadsMoe | kMayShareExpert | kReadsSparseStep;

// n_routed_experts, n_shared_experts, first_k_dense_replace and moe_layer_freq as the keys that the shared code reads; RoPE at the top.
[[nodiscard]] Status edit(json::Value* text);
// Sigmoids, groups by their two best, the correction and the scale; shared experts without a gate.
[[nodiscard]] Status specify(const json::Value& text, DecoderConfig* config);
}  // namespace jang::arch::deepseek_moe
