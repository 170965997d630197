// SPDX-License-Identifier: Apache-2.0
// Granite 3 and 4 dense: llama with four multipliers. Scores are multiplied by attention_multiplier alone, logits divided by
// logits_scaling. What the embedding is multiplied by, e, and what every branch is multiplied by, r, go into numbers that the graph has:
// with g = h / r
//
//   h = e E[t];  h += r f(h / sqrt(mean(h^2) + eps))     is     g = e/r E[t];  g += f(g / sqrt(mean(g^2) + eps / r^2))
//
// and the last norm reads g as it would read h.
#include "arch/families/granite.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, blocks::kDenseMlp, blocks::kMlpBiases,
                             blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"granite"};
constexpr ConfigDefault kDefaults[] = {
    {"rms_norm_eps", "1e-06"},       {"rope_theta", "10000.0"},      {"max_position_embeddings", "2048"},
    {"embedding_multiplier", "1.0"}, {"residual_multiplier", "1.0"}, {"logits_scaling", "1.0"},
    {"attention_multiplier", "1.0"}, {"attention_bias", "false"},    {"mlp_bias", "false"},
};

Status specify(const json::Value& text, DecoderConfig* c) {
  JANG_ASSIGN(const double embedding, read_multiplier(text, "embedding_multiplier", 1));
  JANG_ASSIGN(const double residual, read_multiplier(text, "residual_multiplier", 1));
  JANG_ASSIGN(const double attention, read_multiplier(text, "attention_multiplier", 1));
  JANG_ASSIGN(const double logits, read_multiplier(text, "logits_scaling", 1));
  const auto branch = static_cast<float>(residual);
  c->embedding_scale = static_cast<float>(embedding) / branch;
  c->norm.eps /= branch * branch;
  c->logit_scale = 1 / static_cast<float>(logits);
  for (LayerSpec& layer : c->layers)
    if (auto* mixer = std::get_if<AttentionSpec>(&layer.mixer); mixer != nullptr) mixer->scale = static_cast<float>(attention);
  return {};
}

}  // namespace

constinit const Family kGranite{
    .name = "granite",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.max_positions = 2048},
    .edit = flatten_rope,
    .specify = specify,
};

}  // namespace jang::arch
