// SPDX-License-Identifier: Apache-2.0
// Mixtral: the attention of Mistral with a window only where the config names one; routed experts in every layer, as wide as
// intermediate_size, whose weights always sum to one.
#include "arch/families/mixtral.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, mixtral::kMixture, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"mixtral"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", "8"}, {"num_experts_per_tok", "2"}, {"rms_norm_eps", "1e-05"},
    {"rope_theta", "1000000.0"},  {"sliding_window", "null"},
};

Status edit(json::Value* text) {
  alias_key(text, "num_local_experts", "num_experts");
  copy_key(text, "intermediate_size", "moe_intermediate_size");  // whatever stands there, its class does not read it
  return flatten_rope(text);
}

}  // namespace

constinit const Family kMixtral{
    .name = "mixtral",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = kReadsMoe,
    .traits = {.always_norm_topk = true, .theta = 1e6, .window = WindowRule::always, .max_positions = 131072},
    .edit = edit,
};

}  // namespace jang::arch
