// SPDX-License-Identifier: Apache-2.0
// Qwen2 and Qwen2.5 dense: llama with biases on q, k and v, always.
#include "arch/families/qwen2.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Row kBiases[] = {
    {"model.layers.*.self_attn.q_proj.bias", Role::bias, {Dim::q}},
    {"model.layers.*.self_attn.k_proj.bias", Role::bias, {Dim::kv}},
    {"model.layers.*.self_attn.v_proj.bias", Role::bias, {Dim::kv}},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, kBiases, blocks::kDenseMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"qwen2"};

}  // namespace

constinit const Family kQwen2{
    .name = "qwen2",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = blocks::kDefaults,
    .traits = {.window = WindowRule::by_layer},
    .edit = flatten_rope,
};

}  // namespace jang::arch
