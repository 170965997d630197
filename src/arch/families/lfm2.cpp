// SPDX-License-Identifier: Apache-2.0
// LFM2 (Liquid): a gated short convolution on most layers, attention with norms of queries and keys on the others. The width of the MLP is
// made of block_ff_dim, or intermediate_size, by numbers of the config:
//
//   width = m ceil(floor(f floor(2 ff / 3)) / m),   m = block_multiple_of, f = block_ffn_dim_multiplier
//
// where block_auto_adjust_ff_dim is set. The config that is written holds the width itself and no adjustment.
#include "arch/families/lfm2.h"

#include <algorithm>

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, lfm2::kConvolution, blocks::kSomeAttention, lfm2::kSomeQkNorms,
                             blocks::kDenseMlp,  blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"lfm2"};
constexpr std::string_view kSwitches[] = {"conv_bias"};
constexpr Rename kParts[] = {
    {"self_attn.out_proj", "self_attn.o_proj"},
    {"self_attn.q_layernorm", "self_attn.q_norm"},
    {"self_attn.k_layernorm", "self_attn.k_norm"},
    {"feed_forward.w1", "mlp.gate_proj"},
    {"feed_forward.w3", "mlp.up_proj"},
    {"feed_forward.w2", "mlp.down_proj"},
    {"operator_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"embedding_norm", "norm"},
};
constexpr ConfigDefault kDefaults[] = {
    {"norm_eps", "1e-05"},  {"rope_theta", "1000000.0"},  {"max_position_embeddings", "128000"}, {"num_key_value_heads", "8"},
    {"conv_bias", "false"}, {"block_multiple_of", "256"}, {"block_ffn_dim_multiplier", "1.0"}};

Status set_width(json::Value* text) {
  alias_key(text, "intermediate_size", "block_ff_dim");
  JANG_ASSIGN(const std::int64_t given, json::get_int(*text, "block_ff_dim", 12288, 1, 1 << 24));
  JANG_ASSIGN(const bool adjusts, json::get_bool(*text, "block_auto_adjust_ff_dim", true));
  JANG_ASSIGN(const std::int64_t multiple, json::get_int(*text, "block_multiple_of", 256, 1, 1 << 20));
  constexpr const char* kFactor = "block_ffn_dim_multiplier";
  JANG_ASSIGN(const double factor, json::get_number(*text, kFactor, 1));
  if (!(factor > 0) || factor > 1024)
    return {StatusCode::corrupt, "config.json: 'block_ffn_dim_multiplier' must be a number from 0 to 1024"};
  const bool rounds = !text->contains(kFactor) || json::find(*text, kFactor) != nullptr;  // null: neither factor nor multiple
  std::int64_t width = given;
  if (adjusts) {
    width = static_cast<std::int64_t>(factor * static_cast<double>(2 * given / 3));
    if (rounds) width = (width + multiple - 1) / multiple * multiple;
  }
  (*text)["intermediate_size"] = (*text)["block_ff_dim"] = width;
  (*text)["block_auto_adjust_ff_dim"] = false;
  return {};
}

// layer_types of the layers with attention, which old configs list. transformers reads the list only where there are no types, loaders may
// read it first: what is written agrees.
Status set_layer_types(json::Value* text) {
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, 10000));
  if (json::find(*text, "layer_types") == nullptr) {
    const json::Value* listed = json::find(*text, "full_attn_idxs");
    json::Value types = json::Value::array();
    for (std::int64_t l = 0; l < n_layers; ++l) {
      const bool attends = listed == nullptr || (listed->is_array() && std::find(listed->begin(), listed->end(), l) != listed->end());
      types.push_back(attends ? "full_attention" : "conv");
    }
    (*text)["layer_types"] = std::move(types);
  }
  json::Value attends = json::Value::array();
  const json::Value types = (*text)["layer_types"];
  for (std::size_t l = 0; types.is_array() && l < types.size(); ++l)
    if (types[l] == "full_attention") attends.push_back(l);
  (*text)["full_attn_idxs"] = std::move(attends);
  return {};
}

Status edit(json::Value* text) {
  copy_key(text, "hidden_size", "block_dim");  // the class's name for what the MLP reads
  JANG_TRY(set_width(text));
  return lfm2::edit_shared(text);
}

}  // namespace

Status lfm2::edit_shared(json::Value* text) {
  if (json::find(*text, "tie_embedding") != nullptr) copy_key(text, "tie_embedding", "tie_word_embeddings");
  if (json::find(*text, "conv_L_cache") == nullptr) (*text)["conv_L_cache"] = 3;
  JANG_TRY(set_layer_types(text));
  return flatten_rope(text);
}

constinit const Family kLfm2{
    .name = "lfm2",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = kReadsShortConv,
    .tied_by_default = true,
    .traits = {.norm_eps_key = "norm_eps", .qk_norm = true, .theta = 1e6, .max_positions = 128000},
    .edit = edit,
};

}  // namespace jang::arch
