// SPDX-License-Identifier: Apache-2.0
// Qwen3 dense: llama with RMS norms on queries and keys, head_dim of its own, no biases (transformers' default for it:
// 128).
#include "arch/families/qwen3.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kQkNorms, blocks::kDenseMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"qwen3"};
constexpr ConfigDefault kDefaults[] = {
    {"head_dim", "128"}, {"max_position_embeddings", "32768"}, {"rms_norm_eps", "1e-06"}, {"rope_theta", "10000.0"}};

}  // namespace

constinit const Family kQwen3{
    .name = "qwen3",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.qk_norm = true, .window = WindowRule::by_layer},
    .edit = flatten_rope,
};

}  // namespace jang::arch
