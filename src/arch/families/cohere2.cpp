// SPDX-License-Identifier: Apache-2.0
// Cohere 2 (Command R7B, Command A): mixer and feed-forward read one LayerNorm without bias and are added together; three layers of four
// have a window and rotate pairs of neighbours, the others see everything and do not rotate. Logits are multiplied by logit_scale.
#include "arch/families/cohere2.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases,
                             blocks::kDenseMlp,  blocks::kOneNorm,   blocks::kHead};
constexpr std::string_view kTypes[] = {"cohere2"};
constexpr ConfigDefault kDefaults[] = {{"layer_norm_eps", "1e-05"},         {"rope_theta", "10000.0"},  {"logit_scale", "0.0625"},
                                       {"max_position_embeddings", "8192"}, {"sliding_window", "4096"}, {"sliding_window_pattern", "4"}};

Status edit(json::Value* text) {
  JANG_TRY(period_from_layer_types(text, "full_attention", "sliding_window_pattern"));
  return flatten_rope(text);
}

Status specify(const json::Value& text, DecoderConfig* c) {
  JANG_ASSIGN(const double scale, read_multiplier(text, "logit_scale", 0.0625));
  c->logit_scale = static_cast<float>(scale);
  for (LayerSpec& layer : c->layers) {
    auto& attention = std::get<AttentionSpec>(layer.mixer);
    if (attention.window == 0) attention.rope = kNoRope;
  }
  return {};
}

}  // namespace

constinit const Family kCohere2{
    .name = "cohere2",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .tied_by_default = true,
    .traits = {.norm_eps_key = "layer_norm_eps",
               .centred_norms = true,
               .norms = Norms::parallel,
               .interleaved_rope = true,
               .window = WindowRule::pattern,
               .window_period = 4,
               .max_positions = 8192},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
