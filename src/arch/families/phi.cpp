// SPDX-License-Identifier: Apache-2.0
// Phi-1, 1.5 and 2: mixer and feed-forward read one LayerNorm and are added together; a plain MLP; biases on every map, the output head's
// included; part of every head rotated.
#include "arch/families/phi.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Row kOneNorm[] = {
    {"model.layers.*.input_layernorm.weight", Role::norm, {Dim::hidden}},
    {"model.layers.*.input_layernorm.bias", Role::bias, {Dim::hidden}},
};
constexpr Row kEnd[] = {
    {"model.norm.weight", Role::norm, {Dim::hidden}},
    {"model.norm.bias", Role::bias, {Dim::hidden}},
    {"lm_head.bias", Role::bias, {Dim::vocab}, When::untied},
    {"lm_head.weight", Role::lm_head, {Dim::vocab, Dim::hidden}, When::untied},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, blocks::kPlainMlp, kOneNorm, kEnd};
constexpr std::string_view kTypes[] = {"phi"};
constexpr std::string_view kSwitches[] = {"qk_layernorm"};
constexpr Rename kParts[] = {
    {"self_attn.dense", "self_attn.o_proj"}, {"mlp.fc1", "mlp.up_proj"}, {"mlp.fc2", "mlp.down_proj"}, {"final_layernorm", "norm"}};
constexpr ConfigDefault kDefaults[] = {
    {"layer_norm_eps", "1e-05"}, {"rope_theta", "10000.0"}, {"partial_rotary_factor", "0.5"}, {"max_position_embeddings", "2048"}};

Status edit(json::Value* text) {
  (*text)["attention_bias"] = true;  // there is no switch
  lift_partial_rotary(text);
  return flatten_rope(text);
}

}  // namespace

constinit const Family kPhi{
    .name = "phi",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .traits = {.activation = "gelu_new",
               .norm_eps_key = "layer_norm_eps",
               .centred_norms = true,
               .norms = Norms::parallel,
               .gated_mlp = false,
               .reads_partial_rotary = true,
               .partial_rotary = 0.5,
               .max_positions = 2048},
    .edit = edit,
};

}  // namespace jang::arch
