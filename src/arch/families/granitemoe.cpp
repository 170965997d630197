// SPDX-License-Identifier: Apache-2.0
// Granite 3 mixtures: the multipliers of Granite (granite.cpp), every layer a mixture as wide as intermediate_size, whose weights are the
// softmax of the chosen logits. Published files call the feed-forward block_sparse_moe, and have gate and up of all experts in one tensor,
// gate first.
#include "arch/families/granitemoe.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/granite.h"
#include "arch/routed_rows.h"

namespace jang::arch {
namespace {

constexpr Form kRouter[] = {{"model.layers.*.mlp.gate.weight"}, {"model.layers.*.block_sparse_moe.router.layer.weight"}};
constexpr Form kGate[] = {
    {"model.layers.*.mlp.experts.gate_proj.weight"},
    {"model.layers.*.block_sparse_moe.experts.gate_proj.weight"},
    {"model.layers.*.block_sparse_moe.input_linear.weight", LayoutRule::first_half},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", LayoutRule::stack_experts},
};
constexpr Form kUp[] = {
    {"model.layers.*.mlp.experts.up_proj.weight"},
    {"model.layers.*.block_sparse_moe.experts.up_proj.weight"},
    {"model.layers.*.block_sparse_moe.input_linear.weight", LayoutRule::second_half},
    {"model.layers.*.mlp.experts.*.up_proj.weight", LayoutRule::stack_experts},
};
constexpr Form kDown[] = {
    {"model.layers.*.mlp.experts.down_proj.weight"},
    {"model.layers.*.block_sparse_moe.experts.down_proj.weight"},
    {"model.layers.*.block_sparse_moe.output_linear.weight"},
    {"model.layers.*.mlp.experts.*.down_proj.weight", LayoutRule::stack_experts},
};
constexpr auto kMixture = routed_rows(kRouter, kGate, kUp, kDown);
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, kMixture, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"granitemoe"};
constexpr ConfigDefault kDefaults[] = {
    {"rms_norm_eps", "1e-06"},       {"rope_theta", "10000.0"},      {"max_position_embeddings", "2048"},
    {"embedding_multiplier", "1.0"}, {"residual_multiplier", "1.0"}, {"logits_scaling", "1.0"},
    {"attention_multiplier", "1.0"}, {"attention_bias", "false"},    {"num_experts_per_tok", "2"},
};

Status edit(json::Value* text) {
  copy_key(text, "num_local_experts", "num_experts");
  copy_key(text, "intermediate_size", "moe_intermediate_size");  // whatever stands there, its class does not read it
  return flatten_rope(text);
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_TRY(kGranite.specify(text, config));
  for (LayerSpec& layer : config->layers) std::get<ExpertsSpec>(layer.ffn).scoring = Scoring::softmax_of_chosen;
  return {};
}

}  // namespace

constinit const Family kGraniteMoe{
    .name = "granitemoe",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = kReadsMoe,
    .traits = {.max_positions = 2048},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
