// SPDX-License-Identifier: Apache-2.0
// GLM-4 (0414) dense: norms around the blocks under names of its own, gate and up as one map, half of every head rotated, pairs of
// neighbours.
#include "arch/families/glm4.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kQkvBiases,
                             blocks::kFusedMlp,  blocks::kFourNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"glm4"};
// The published name of the feed-forward's norm is the canonical one of another norm: the order matters.
constexpr Rename kParts[] = {{"post_attention_layernorm", "pre_feedforward_layernorm"},
                             {"post_self_attn_layernorm", "post_attention_layernorm"},
                             {"post_mlp_layernorm", "post_feedforward_layernorm"}};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1.5625e-07"},   {"rope_theta", "10000.0"},  {"max_position_embeddings", "131072"},
                                       {"partial_rotary_factor", "0.5"}, {"attention_bias", "true"}, {"head_dim", "128"},
                                       {"num_key_value_heads", "2"}};

Status edit(json::Value* text) {
  JANG_TRY(flatten_rope(text));
  lift_partial_rotary(text);
  return {};
}

}  // namespace

constinit const Family kGlm4{
    .name = "glm4",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .traits = {.norms = Norms::around,
               .fused_mlp = true,
               .interleaved_rope = true,
               .reads_partial_rotary = true,
               .partial_rotary = 0.5,
               .max_positions = 131072},
    .edit = edit,
};

}  // namespace jang::arch
