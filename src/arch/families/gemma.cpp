// SPDX-License-Identifier: Apache-2.0
// Gemma 1: llama with norms stored zero-centred (Traits::norm_offset), a scaled embedding, tanh-approximated GELU and a head_dim of its
// own. Old configs name the exact GELU; transformers reads that as the approximation the models were trained with.
#include "arch/families/gemma.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases,
                             blocks::kDenseMlp,  blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"gemma"};
constexpr ConfigDefault kDefaults[] = {
    {"head_dim", "256"}, {"rms_norm_eps", "1e-06"}, {"rope_theta", "10000.0"}, {"max_position_embeddings", "8192"}};

Status edit(json::Value* text) {
  if (const json::Value* act = json::find(*text, "hidden_act"); act != nullptr && *act == "gelu")
    (*text)["hidden_act"] = "gelu_pytorch_tanh";
  return flatten_rope(text);
}

}  // namespace

constinit const Family kGemma{
    .name = "gemma",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .tied_by_default = true,
    .traits = {.activation = "gelu_pytorch_tanh", .norm_offset = 1, .scales_embedding = true, .max_positions = 8192},
    .edit = edit,
};

}  // namespace jang::arch
