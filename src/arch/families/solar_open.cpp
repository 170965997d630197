// SPDX-License-Identifier: Apache-2.0
// Solar Open: llama's attention; in every layer, unless a config says otherwise, the mixture of DeepSeek-V3 (deepseek_moe.h). Loaders take
// it for GLM-4.5, whose switches and parts of a head they want to be told.
#include "arch/families/solar_open.h"

#include "arch/config_edit.h"
#include "arch/families/deepseek_moe.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention,        blocks::kQkvBiases,
                             blocks::kRoutedMlp, deepseek_moe::kCorrection, deepseek_moe::kSharedExperts,
                             blocks::kDenseMlp,  blocks::kTwoNorms,         blocks::kHead};
constexpr std::string_view kTypes[] = {"solar_open"};
constexpr std::string_view kSwitches[] = {"use_qk_norm"};
constexpr ConfigDefault kDefaults[] = {{"norm_topk_prob", "true"},
                                       {"n_group", "1"},
                                       {"first_k_dense_replace", "0"},
                                       {"partial_rotary_factor", "1.0"},
                                       {"use_qk_norm", "false"},
                                       {"topk_group", "1"},
                                       {"routed_scaling_factor", "1.0"},
                                       {"attention_bias", "false"},
                                       {"rms_norm_eps", "1e-05"},
                                       {"rope_theta", "1000000.0"},
                                       {"rope_scaling", "null"},
                                       {"tie_word_embeddings", "false"},
                                       {"num_experts_per_tok", "8"},
                                       {"n_shared_experts", "1"},
                                       {"head_dim", "128"},
                                       {"max_position_embeddings", "131072"}};

Status edit(json::Value* text) {
  add_defaults(kDefaults, text);
  alias_key(text, "moe_intermediate_size", "intermediate_size");  // of dense layers, of which published models have none
  lift_partial_rotary(text);
  return deepseek_moe::edit(text);
}

}  // namespace

constinit const Family kSolarOpen{
    .name = "solar_open",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads,
    .traits = {.reads_partial_rotary = true, .theta = 1e6, .max_positions = 131072},
    .edit = edit,
    .specify = deepseek_moe::specify,
};

}  // namespace jang::arch
