// SPDX-License-Identifier: Apache-2.0
// Qwen3-MoE: Qwen3 attention, routed experts on the layers the config calls sparse, a dense MLP on the others. The experts of a
// projection are one tensor [E, out, in]; a fused source [E, 2 I, H] is cut into gate (first I rows) and up.
// transformers 5 spells num_experts "num_local_experts".
#include "arch/families/qwen3_moe.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kQkNorms, blocks::kRoutedMlp,
                             blocks::kDenseMlp,  blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"qwen3_moe"};
constexpr ConfigDefault kDefaults[] = {
    {"decoder_sparse_step", "1"},         {"mlp_only_layers", "[]"}, {"norm_topk_prob", "false"}, {"intermediate_size", "6144"},
    {"max_position_embeddings", "32768"}, {"rope_theta", "10000.0"}, {"rms_norm_eps", "1e-06"},   {"num_experts_per_tok", "8"},
};

Status edit(json::Value* text) {
  alias_key(text, "num_local_experts", "num_experts");
  return flatten_rope(text);
}

}  // namespace

constinit const Family kQwen3Moe{
    .name = "qwen3_moe",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = kReadsMoe | kReadsSparseStep,
    .traits = {.qk_norm = true, .window = WindowRule::flagged},
    .edit = edit,
};

}  // namespace jang::arch
