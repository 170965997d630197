// SPDX-License-Identifier: Apache-2.0
// StarCoder2: LayerNorm, an MLP without a gate, one switch for the biases of all maps.
#include "arch/families/starcoder2.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding,        blocks::kAttention,      blocks::kAttentionBiases,
                             blocks::kSwitchedPlainMlp, blocks::kTwoBiasedNorms, blocks::kBiasedHead};
constexpr std::string_view kTypes[] = {"starcoder2"};
constexpr Rename kParts[] = {{"mlp.c_fc", "mlp.up_proj"}, {"mlp.c_proj", "mlp.down_proj"}};
constexpr ConfigDefault kDefaults[] = {{"norm_epsilon", "1e-05"},
                                       {"tie_word_embeddings", "true"},
                                       {"rope_theta", "10000.0"},
                                       {"max_position_embeddings", "4096"},
                                       {"num_key_value_heads", "2"}};

Status edit(json::Value* text) {
  if (json::find(*text, "use_bias") == nullptr) (*text)["use_bias"] = true;
  const json::Value biased = (*text)["use_bias"];  // the only switch that the class reads
  (*text)["attention_bias"] = biased;
  (*text)["mlp_bias"] = biased;
  if (!text->contains("sliding_window")) (*text)["sliding_window"] = nullptr;  // absent: none
  return flatten_rope(text);
}

}  // namespace

constinit const Family kStarcoder2{
    .name = "starcoder2",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .traits = {.activation = "gelu_pytorch_tanh",
               .norm_eps_key = "norm_epsilon",
               .centred_norms = true,
               .gated_mlp = false,
               .window = WindowRule::always,
               .max_positions = 4096},
    .edit = edit,
};

}  // namespace jang::arch
