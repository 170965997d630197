// SPDX-License-Identifier: Apache-2.0
// MiniCPM: llama whose embedding is multiplied by scale_emb, every branch by r = scale_depth / sqrt(layers), and the logits by
// dim_model_base / hidden_size. As in granite.cpp the first two go into the scale of the embedding and the eps of the norms.
#include "arch/families/minicpm.h"

#include <cmath>

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kDenseMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"minicpm"};
constexpr std::string_view kSwitches[] = {"attention_bias"};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-06"}, {"rope_theta", "10000.0"}, {"max_position_embeddings", "2048"},
                                       {"scale_emb", "1.0"},      {"scale_depth", "1.0"},    {"dim_model_base", "1"}};

Status specify(const json::Value& text, DecoderConfig* c) {
  JANG_ASSIGN(const double embedding, read_multiplier(text, "scale_emb", 1));
  JANG_ASSIGN(const double depth, read_multiplier(text, "scale_depth", 1));
  JANG_ASSIGN(const double base, read_multiplier(text, "dim_model_base", 1));
  const double residual = depth / std::sqrt(static_cast<double>(c->n_layers()));
  c->embedding_scale = static_cast<float>(embedding / residual);
  c->norm.eps = static_cast<float>(static_cast<double>(c->norm.eps) / (residual * residual));
  c->logit_scale = static_cast<float>(base / static_cast<double>(c->hidden));
  return {};
}

}  // namespace

constinit const Family kMiniCpm{
    .name = "minicpm",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.max_positions = 2048},
    .edit = flatten_rope,
    .specify = specify,
};

}  // namespace jang::arch
