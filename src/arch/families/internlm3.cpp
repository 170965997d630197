// SPDX-License-Identifier: Apache-2.0
// InternLM 3: llama whose switches for biases are qkv_bias (all four maps of attention) and bias (the MLP); new configs call them as llama
// does. transformers runs it by llama's class.
#include "arch/families/internlm3.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, blocks::kDenseMlp, blocks::kMlpBiases,
                             blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"internlm3"};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-05"},
                                       {"rope_theta", "10000.0"},
                                       {"max_position_embeddings", "32768"},
                                       {"head_dim", "128"},
                                       {"num_key_value_heads", "2"}};

Status edit(json::Value* text) {
  for (const auto& [old_key, key] : {std::pair{"qkv_bias", "attention_bias"}, {"bias", "mlp_bias"}}) {
    alias_key(text, old_key, key);
    alias_key(text, key, old_key);
  }
  return flatten_rope(text);
}

}  // namespace

constinit const Family kInternLm3{
    .name = "internlm3",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .edit = edit,
};

}  // namespace jang::arch
