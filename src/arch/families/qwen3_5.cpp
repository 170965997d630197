// SPDX-License-Identifier: Apache-2.0
// Qwen3.5 dense, text: Gated DeltaNet hybrid with a SwiGLU MLP. Flat text configs ("qwen3_5_text") and the wrapped multimodal ones
// (text_config, model.language_model.*).
#include "arch/families/qwen3_5.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/registry.h"

namespace jang::arch {
namespace qwen3_5 {

Status edit(json::Value* text) { return period_from_layer_types(text, "full_attention", "full_attention_interval"); }

}  // namespace qwen3_5

namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, qwen3_5::kGatedAttention, qwen3_5::kDeltaNet,
                             blocks::kDenseMlp,  qwen3_5::kNorms,          qwen3_5::kHead};
constexpr ConfigDefault kDefaults[] = {{"head_dim", "256"}};
constexpr std::string_view kTypes[] = {"qwen3_5", "qwen3_5_text"};

}  // namespace

constinit const Family kQwen35{
    .name = "qwen3_5",
    .model_types = kTypes,
    .blocks = kBlocks,
    .drops = qwen3_5::kDrops,
    .towers = qwen3_5::kTowers,
    .prefixes = qwen3_5::kPrefixes,
    .defaults = kDefaults,
    .reads = kReadsDelta,
    .text_config = true,
    .traits = qwen3_5::kTraits,
    .edit = qwen3_5::edit,
};

}  // namespace jang::arch
