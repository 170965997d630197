// SPDX-License-Identifier: Apache-2.0
// Llama: pre-norm decoder, SwiGLU, RoPE. Biases only where the config says so (then on all four, or all three, projections).
#include "arch/families/llama.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, blocks::kDenseMlp, blocks::kMlpBiases,
                             blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"llama"};

}  // namespace

constinit const Family kLlama{
    .name = "llama",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = blocks::kDefaults,
    .traits = {.max_positions = 2048},
    .edit = flatten_rope,
};

}  // namespace jang::arch
