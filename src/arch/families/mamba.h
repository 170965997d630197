// SPDX-License-Identifier: Apache-2.0
// What families with Mamba2's state spaces share: rows of the block and of attention on the other layers, and the limits of their steps.
// Their canonical name of the norm behind the scan is gated_norm, since "norm" is a name of other norms there.
#pragma once

#include "arch/blocks.h"
#include "arch/family.h"

namespace jang::arch::mamba {

inline constexpr Row kMixer[] = {
    {"model.layers.*.mamba.in_proj.weight", Role::linear_attn_qkv, {Dim::mamba_in, Dim::hidden}, When::mamba_layer},
    {"model.layers.*.mamba.in_proj.bias", Role::bias, {Dim::mamba_in}, When::mamba_bias},
    {"model.layers.*.mamba.out_proj.weight", Role::linear_attn_out, {Dim::hidden, Dim::mamba_inner}, When::mamba_layer},
    {"model.layers.*.mamba.out_proj.bias", Role::bias, {Dim::hidden}, When::mamba_bias},
    {"model.layers.*.mamba.conv1d.weight", Role::conv, {Dim::mamba_conv, Dim::one, Dim::conv_kernel}, When::mamba_layer},
    {"model.layers.*.mamba.conv1d.bias", Role::bias, {Dim::mamba_conv}, When::mamba_conv_bias},
    {"model.layers.*.mamba.A_log", Role::state, {Dim::mamba_heads}, When::mamba_layer, {}, kKeepDtype},
    {"model.layers.*.mamba.D", Role::state, {Dim::mamba_heads}, When::mamba_layer},
    {"model.layers.*.mamba.dt_bias", Role::state, {Dim::mamba_heads}, When::mamba_layer},
    {"model.layers.*.mamba.gated_norm.weight", Role::norm, {Dim::mamba_inner}, When::mamba_layer},
};

// A number of the block as its class calls it, as the shared code reads it, and what the class takes where there is none.
struct Number {
  const char *published, *read;
  std::int64_t fallback;
};
// Writes every number under both names.
void name_numbers(std::span<const Number> numbers, json::Value* text);

// use_bias and use_conv_bias, which are off and on where nothing stands, as the shared code reads them.
void name_biases(json::Value* text);

// Unsupported where the config asks for another activation than SiLU behind the convolution.
[[nodiscard]] Status check_activation(const json::Value& text, const char* key);
// The norm behind the scan goes over the values of one group of heads at a time.
void normalise_by_groups(DecoderConfig* config);

// time_step_limit as two numbers: infinity, and the object that transformers saves for it, become the largest float32, which every reader
// takes. Where there is none: [0, that].
[[nodiscard]] Status write_step_limits(json::Value* text);
// The same with `least` as the lower one, whatever the config says.
void write_least_step(double least, json::Value* text);
// Of written limits, for every state space of the model.
[[nodiscard]] Status read_step_limits(const json::Value& text, DecoderConfig* config);

}  // namespace jang::arch::mamba
