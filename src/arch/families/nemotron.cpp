// SPDX-License-Identifier: Apache-2.0
// Nemotron 3 and 4, Minitron: LayerNorm whose weights are published minus one, an MLP without a gate that squares the ReLU, half of every
// head rotated.
#include "arch/families/nemotron.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding,        blocks::kAttention,      blocks::kAttentionBiases,
                             blocks::kSwitchedPlainMlp, blocks::kTwoBiasedNorms, blocks::kBiasedHead};
constexpr std::string_view kTypes[] = {"nemotron"};
constexpr ConfigDefault kDefaults[] = {{"norm_eps", "1e-05"},
                                       {"rope_theta", "10000.0"},
                                       {"partial_rotary_factor", "0.5"},
                                       {"max_position_embeddings", "4096"},
                                       {"hidden_act", "\"relu2\""}};

Status edit(json::Value* text) {
  lift_partial_rotary(text);
  return flatten_rope(text);
}

}  // namespace

constinit const Family kNemotron{
    .name = "nemotron",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.activation = "relu2",
               .norm_eps_key = "norm_eps",
               .norm_offset = 1,
               .centred_norms = true,
               .gated_mlp = false,
               .reads_partial_rotary = true,
               .partial_rotary = 0.5,
               .max_positions = 4096},
    .edit = edit,
};

}  // namespace jang::arch
