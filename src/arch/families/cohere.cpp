// SPDX-License-Identifier: Apache-2.0
// Cohere (Command R, Aya 23): mixer and feed-forward read one LayerNorm without bias and are added together, pairs of neighbours are
// rotated, logits are multiplied by logit_scale. Command R+, whose heads have norms of their own, has no rows here.
#include "arch/families/cohere.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases,
                             blocks::kDenseMlp,  blocks::kOneNorm,   blocks::kHead};
constexpr std::string_view kTypes[] = {"cohere"};
constexpr std::string_view kSwitches[] = {"use_qk_norm"};
constexpr ConfigDefault kDefaults[] = {{"layer_norm_eps", "1e-05"},
                                       {"rope_theta", "500000.0"},
                                       {"logit_scale", "0.0625"},
                                       {"max_position_embeddings", "8192"},
                                       {"attention_bias", "false"}};

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_ASSIGN(const double scale, read_multiplier(text, "logit_scale", 0.0625));
  config->logit_scale = static_cast<float>(scale);
  return {};
}

}  // namespace

constinit const Family kCohere{
    .name = "cohere",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .tied_by_default = true,
    .traits = {.norm_eps_key = "layer_norm_eps",
               .centred_norms = true,
               .norms = Norms::parallel,
               .interleaved_rope = true,
               .theta = 500'000,
               .max_positions = 8192},
    .edit = flatten_rope,
    .specify = specify,
};

}  // namespace jang::arch
