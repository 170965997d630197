// SPDX-License-Identifier: Apache-2.0
// Llama: pre-norm decoder, SwiGLU, RoPE. Biases only where the config says so (then on all four, or all three, projections).
#include "arch/families/llama.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Row kAttentionBiases[] = {
    {"model.layers.*.self_attn.q_proj.bias", Role::bias, {Dim::q}, When::attention_bias},
    {"model.layers.*.self_attn.k_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
    {"model.layers.*.self_attn.v_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
    {"model.layers.*.self_attn.o_proj.bias", Role::bias, {Dim::hidden}, When::attention_bias},
};
constexpr Row kMlpBiases[] = {
    {"model.layers.*.mlp.gate_proj.bias", Role::bias, {Dim::ffn}, When::mlp_bias},
    {"model.layers.*.mlp.up_proj.bias", Role::bias, {Dim::ffn}, When::mlp_bias},
    {"model.layers.*.mlp.down_proj.bias", Role::bias, {Dim::hidden}, When::mlp_bias},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, kAttentionBiases, blocks::kDenseMlp,
                             kMlpBiases,         blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"llama"};

}  // namespace

constinit const Family kLlama{
    .name = "llama",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = blocks::kDefaults,
    .traits = {.max_positions = 2048},
    .edit = flatten_rope,
};

}  // namespace jang::arch
