// SPDX-License-Identifier: Apache-2.0
// DeepSeek-V3, and Kimi K2 which has its classes: latent attention in every layer, the mixture of deepseek_moe.h. Kimi K2.5 is the same
// beside a vision tower.
#include "arch/families/deepseek_v3.h"

#include "arch/families/deepseek_moe.h"

namespace jang::arch {
namespace {

constexpr std::string_view kTypes[] = {"deepseek_v3", "kimi_k2"}, kWrapper[] = {"kimi_k25"};
constexpr Rename kWrapped[] = {{"model.language_model.", "model."}, {"language_model.", ""}};
constexpr std::string_view kTowers[] = {
    "vision_tower",          "model.vision_tower",         "mm_projector", "model.mm_projector", "vision_model",
    "multi_modal_projector", "model.multi_modal_projector"};
constexpr ConfigDefault kDefaults[] = {
    {"norm_topk_prob", "true"},   {"n_group", "8"},          {"topk_group", "4"},       {"routed_scaling_factor", "2.5"},
    {"num_experts_per_tok", "8"}, {"rope_theta", "10000.0"}, {"rms_norm_eps", "1e-06"},
};

}  // namespace

constinit const Family kDeepseekV3{
    .name = "deepseek_v3",
    .model_types = kTypes,
    .blocks = deepseek_moe::kLatentMixture,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads | kReadsLatent,
    .foreign = "embed_q",  // kv_b_proj cut into heads, the part of keys transposed
    .more_layers = true,
    .traits = {.max_positions = 4096},
    .edit = deepseek_moe::edit,
    .specify = deepseek_moe::specify,
};

constinit const Family kKimiK25{
    .name = "kimi_k25",
    .model_types = kWrapper,
    .text_types = kTypes,
    .blocks = deepseek_moe::kLatentMixture,
    .towers = kTowers,
    .prefixes = kWrapped,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads | kReadsLatent,
    .text_config = true,
    .foreign = "embed_q",
    .more_layers = true,
    .traits = {.max_positions = 4096},
    .edit = deepseek_moe::edit,
    .specify = deepseek_moe::specify,
};

}  // namespace jang::arch
