// SPDX-License-Identifier: Apache-2.0
// Qwen3.5-MoE, text: the hybrid of qwen3_5.h with routed experts and one gated shared expert on every layer. Published checkpoints fuse the
// experts as experts.gate_up_proj [E, 2 I, H] and experts.down_proj [E, H, I]; transformers may save one tensor per expert.
#include "arch/families/qwen3_5_moe.h"

#include "arch/blocks.h"
#include "arch/families/qwen3_5.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding,     qwen3_5::kGatedAttention, qwen3_5::kDeltaNet, blocks::kRoutedMlp,
                             qwen3_5::kSharedExpert, qwen3_5::kNorms,          qwen3_5::kHead};
constexpr std::string_view kTypes[] = {"qwen3_5_moe", "qwen3_5_moe_text"};
constexpr ConfigDefault kDefaults[] = {{"head_dim", "256"}, {"num_experts_per_tok", "8"}};

}  // namespace

constinit const Family kQwen35Moe{
    .name = "qwen3_5_moe",
    .model_types = kTypes,
    .blocks = kBlocks,
    .drops = qwen3_5::kDrops,
    .towers = qwen3_5::kTowers,
    .prefixes = qwen3_5::kPrefixes,
    .defaults = kDefaults,
    .reads = kReadsMoe | kReadsSharedExpert | kReadsDelta,
    .text_config = true,
    .traits = qwen3_5::kTraits,
    .edit = qwen3_5::edit,
};

}  // namespace jang::arch
