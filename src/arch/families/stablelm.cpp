// SPDX-License-Identifier: Apache-2.0
// StableLM 3B, 2 1.6B, Zephyr 3B: llama with LayerNorm and a rotated quarter of every head. The 12B, whose heads have norms of their own
// and whose branches lie side by side, has no rows here.
#include "arch/families/stablelm.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention,      blocks::kQkvBiases,
                             blocks::kDenseMlp,  blocks::kTwoBiasedNorms, blocks::kBiasedHead};
constexpr std::string_view kTypes[] = {"stablelm"};
constexpr std::string_view kSwitches[] = {"qk_layernorm", "use_parallel_residual"};
constexpr ConfigDefault kDefaults[] = {{"layer_norm_eps", "1e-05"},
                                       {"rope_theta", "10000.0"},
                                       {"partial_rotary_factor", "0.25"},
                                       {"max_position_embeddings", "4096"},
                                       {"use_qkv_bias", "false"}};

Status edit(json::Value* text) {
  text->erase("head_dim");  // the class does not read it: heads follow from hidden_size
  lift_partial_rotary(text);
  if (json::find(*text, "use_qkv_bias") == nullptr) (*text)["use_qkv_bias"] = false;
  copy_key(text, "use_qkv_bias", "attention_bias");
  return flatten_rope(text);
}

}  // namespace

constinit const Family kStableLm{
    .name = "stablelm",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.norm_eps_key = "layer_norm_eps",
               .centred_norms = true,
               .reads_partial_rotary = true,
               .partial_rotary = 0.25,
               .max_positions = 4096},
    .edit = edit,
};

}  // namespace jang::arch
