// SPDX-License-Identifier: Apache-2.0
// Mixtral: the attention of Mistral, routed experts in every layer. Published files call the feed-forward block_sparse_moe and the maps of
// an expert w1 (gate), w3 (up) and w2 (down).
#pragma once

#include "arch/family.h"
#include "arch/routed_rows.h"

namespace jang::arch::mixtral {

inline constexpr Form kRouter[] = {{"model.layers.*.mlp.gate.weight"}, {"model.layers.*.block_sparse_moe.gate.weight"}};
inline constexpr Form kGate[] = {
    {"model.layers.*.mlp.experts.gate_proj.weight"},
    {"model.layers.*.block_sparse_moe.experts.gate_proj.weight"},
    {"model.layers.*.mlp.experts.gate_up_proj", LayoutRule::first_half},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w1.weight", LayoutRule::stack_experts},
};
inline constexpr Form kUp[] = {
    {"model.layers.*.mlp.experts.up_proj.weight"},
    {"model.layers.*.block_sparse_moe.experts.up_proj.weight"},
    {"model.layers.*.mlp.experts.gate_up_proj", LayoutRule::second_half},
    {"model.layers.*.mlp.experts.*.up_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w3.weight", LayoutRule::stack_experts},
};
inline constexpr Form kDown[] = {
    {"model.layers.*.mlp.experts.down_proj.weight"},
    {"model.layers.*.block_sparse_moe.experts.down_proj.weight"},
    {"model.layers.*.mlp.experts.down_proj"},
    {"model.layers.*.mlp.experts.*.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.block_sparse_moe.experts.*.w2.weight", LayoutRule::stack_experts},
};
inline constexpr auto kMixture = routed_rows(kRouter, kGate, kUp, kDown);

}  // namespace jang::arch::mixtral

namespace jang::arch {

extern const Family kMixtral;

}  // namespace jang::arch
