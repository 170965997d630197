// SPDX-License-Identifier: Apache-2.0
// Mistral: llama without biases. The sliding window of the first releases is kept in the config.
#include "arch/families/mistral.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kDenseMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"mistral"};

}  // namespace

constinit const Family kMistral{
    .name = "mistral",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = blocks::kDefaults,
    .traits = {.window = WindowRule::always, .max_positions = 131072},
    .edit = flatten_rope,
};

}  // namespace jang::arch
