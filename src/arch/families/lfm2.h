// SPDX-License-Identifier: Apache-2.0
// LFM2: gated short convolutions, and attention on some layers.
#pragma once

#include "arch/family.h"

namespace jang::arch {

extern const Family kLfm2;

namespace lfm2 {
inline constexpr Row kConvolution[] = {
    {"model.layers.*.conv.in_proj.weight", Role::linear_attn_qkv, {Dim::conv_in, Dim::hidden}, When::conv_layer},
    {"model.layers.*.conv.out_proj.weight", Role::linear_attn_out, {Dim::hidden, Dim::hidden}, When::conv_layer},
    {"model.layers.*.conv.conv.weight", Role::conv, {Dim::hidden, Dim::one, Dim::conv_kernel}, When::conv_layer},
};
inline constexpr Row kSomeQkNorms[] = {
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::head}, When::attention_layer},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::head}, When::attention_layer},
};
// What old configs say otherwise: the switch of a tied embedding, the kernel's default, kinds of layers, RoPE.
[[nodiscard]] Status edit_shared(json::Value* text);
}  // namespace lfm2

}  // namespace jang::arch
