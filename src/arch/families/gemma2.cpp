// SPDX-License-Identifier: Apache-2.0
// Gemma 2: four norms a layer, stored zero-centred, soft caps of scores and logits, a window on every other layer. A config without the
// caps has those of the published models; null means none.
#include "arch/families/gemma2.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases,
                             blocks::kDenseMlp,  blocks::kFourNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"gemma2"};
constexpr ConfigDefault kDefaults[] = {
    {"head_dim", "256"},       {"num_attention_heads", "8"}, {"num_key_value_heads", "4"}, {"query_pre_attn_scalar", "256"},
    {"rms_norm_eps", "1e-06"}, {"rope_theta", "10000.0"},    {"sliding_window", "4096"},   {"max_position_embeddings", "8192"}};

Status edit(json::Value* text) {
  for (const auto& [key, cap] : {std::pair{"attn_logit_softcapping", 50.0}, {"final_logit_softcapping", 30.0}})
    if (!text->contains(key)) (*text)[key] = cap;
  return flatten_rope(text);
}

}  // namespace

constinit const Family kGemma2{
    .name = "gemma2",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .tied_by_default = true,
    .traits = {.activation_key = "hidden_activation",
               .activation = "gelu_pytorch_tanh",
               .norm_offset = 1,
               .scales_embedding = true,
               .norms = Norms::around,
               .query_pre_attn_scalar = true,
               .attention_softcap = true,
               .logit_softcap = true,
               .window = WindowRule::pattern,
               .window_period = 2,
               .max_positions = 8192},
    .edit = edit,
};

}  // namespace jang::arch
