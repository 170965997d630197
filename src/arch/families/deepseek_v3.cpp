// SPDX-License-Identifier: Apache-2.0
// DeepSeek-V3, and Kimi K2 which has its classes: latent attention in every layer, the mixture of deepseek_moe.h.
#include "arch/families/deepseek_v3.h"

#include "arch/families/deepseek_moe.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding,
                             deepseek_moe::kLatentAttention,
                             blocks::kRoutedMlp,
                             deepseek_moe::kCorrection,
                             deepseek_moe::kSharedExperts,
                             blocks::kDenseMlp,
                             blocks::kTwoNorms,
                             blocks::kHead};
constexpr std::string_view kTypes[] = {"deepseek_v3", "kimi_k2"};
constexpr ConfigDefault kDefaults[] = {
    {"norm_topk_prob", "true"},   {"n_group", "8"},          {"topk_group", "4"},       {"routed_scaling_factor", "2.5"},
    {"num_experts_per_tok", "8"}, {"rope_theta", "10000.0"}, {"rms_norm_eps", "1e-06"},
};

}  // namespace

constinit const Family kDeepseekV3{
    .name = "deepseek_v3",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads | kReadsLatent,
    .foreign = "embed_q",  // kv_b_proj cut into heads, the part of keys transposed
    .more_layers = true,
    .traits = {.max_positions = 4096},
    .edit = deepseek_moe::edit,
    .specify = deepseek_moe::specify,
};

}  // namespace jang::arch
