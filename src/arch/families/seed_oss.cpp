// SPDX-License-Identifier: Apache-2.0
// Seed-OSS: llama with a head_dim of its own, biases on queries, keys and values, and a switch of its own for the output map's bias.
#include "arch/families/seed_oss.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Row kOutBias[] = {{"model.layers.*.self_attn.o_proj.bias", Role::bias, {Dim::hidden}, When::attention_out_bias}};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kQkvBiases, kOutBias,
                             blocks::kDenseMlp,  blocks::kMlpBiases, blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"seed_oss"};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-06"},  {"rope_theta", "10000.0"},       {"max_position_embeddings", "524288"},
                                       {"attention_bias", "true"}, {"attention_out_bias", "false"}, {"mlp_bias", "false"},
                                       {"head_dim", "128"},        {"num_key_value_heads", "8"}};

}  // namespace

constinit const Family kSeedOss{
    .name = "seed_oss",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.max_positions = 524288},
    .edit = flatten_rope,
};

}  // namespace jang::arch
