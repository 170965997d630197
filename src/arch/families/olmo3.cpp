// SPDX-License-Identifier: Apache-2.0
// OLMo 3: OLMo 2 with a window on three layers of four; those layers turn positions plainly, the others may have a scaled RoPE.
#include "arch/families/olmo3.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding,  blocks::kAttention, blocks::kAttentionBiases, blocks::kRowQkNorms, blocks::kDenseMlp,
                             blocks::kNormsAfter, blocks::kHead};
constexpr std::string_view kTypes[] = {"olmo3"};
constexpr ConfigDefault kDefaults[] = {
    {"rms_norm_eps", "1e-05"}, {"rope_theta", "500000.0"}, {"max_position_embeddings", "2048"}, {"sliding_window", "4096"}};

}  // namespace

constinit const Family kOlmo3{
    .name = "olmo3",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.norms = Norms::after,
               .qk_norm = true,
               .qk_norm_of_rows = true,
               .theta = 500'000,
               .local_theta = 500'000,
               .window = WindowRule::pattern,
               .window_period = 4,
               .max_positions = 2048},
    .edit = flatten_rope_by_layer_type,
};

}  // namespace jang::arch
