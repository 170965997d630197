// SPDX-License-Identifier: Apache-2.0
// InternLM 2: llama under names of its own; one map for queries, keys and values, for each key-value head its queries, its key, its value.
#include "arch/families/internlm2.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Row kBiases[] = {
    {"model.layers.*.self_attn.qkv_proj.bias", Role::bias, {Dim::qkv}, When::attention_bias},
    {"model.layers.*.self_attn.o_proj.bias", Role::bias, {Dim::hidden}, When::attention_bias},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kFusedAttention, kBiases, blocks::kDenseMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"internlm2"};
constexpr Rename kParts[] = {
    {"tok_embeddings", "embed_tokens"},    {"attention.wqkv", "self_attn.qkv_proj"}, {"attention.wo", "self_attn.o_proj"},
    {"feed_forward.w1", "mlp.gate_proj"},  {"feed_forward.w3", "mlp.up_proj"},       {"feed_forward.w2", "mlp.down_proj"},
    {"attention_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"}, {"output", "lm_head"},
};
constexpr ConfigDefault kDefaults[] = {
    {"rms_norm_eps", "1e-06"}, {"rope_theta", "10000.0"}, {"max_position_embeddings", "32768"}, {"tie_word_embeddings", "false"}};

// The maps of attention have biases unless a config says otherwise, which published ones do.
Status edit(json::Value* text) {
  text->erase("head_dim");  // heads follow from hidden_size
  if (json::find(*text, "bias") == nullptr) (*text)["bias"] = true;
  copy_key(text, "bias", "attention_bias");
  JANG_TRY(flatten_rope(text));
  // Loaders look for the type of a RoPE under its old key.
  if (const auto rope = text->find("rope_scaling"); rope != text->end() && rope->is_object()) alias_key(&*rope, "rope_type", "type");
  return {};
}

}  // namespace

constinit const Family kInternLm2{
    .name = "internlm2",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .traits = {.qkv = QkvMaps::grouped, .max_positions = 32768},
    .edit = edit,
};

}  // namespace jang::arch
