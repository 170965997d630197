// SPDX-License-Identifier: Apache-2.0
// OLMo 2: llama with its norms behind the blocks, not before them, and norms of queries and keys over all heads at once.
#include "arch/families/olmo2.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding,  blocks::kAttention, blocks::kAttentionBiases, blocks::kRowQkNorms, blocks::kDenseMlp,
                             blocks::kNormsAfter, blocks::kHead};
constexpr std::string_view kTypes[] = {"olmo2"};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-05"}, {"rope_theta", "10000.0"}, {"max_position_embeddings", "2048"}};

}  // namespace

constinit const Family kOlmo2{
    .name = "olmo2",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.norms = Norms::after, .qk_norm = true, .qk_norm_of_rows = true, .max_positions = 2048},
    .edit = flatten_rope,
};

}  // namespace jang::arch
