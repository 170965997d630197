// SPDX-License-Identifier: Apache-2.0
// GPT-NeoX, Pythia: mixer and feed-forward side by side (unless use_parallel_residual is off), each behind its own LayerNorm; one map for
// queries, keys and values, head by head; a quarter of a head rotated; a plain MLP with the exact GELU; biases on every map and norm.
#include "arch/families/gpt_neox.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Row kAttentionRows[] = {
    {"model.layers.*.self_attn.qkv_proj.weight", Role::attn_qkv, {Dim::qkv, Dim::hidden}},
    {"model.layers.*.self_attn.qkv_proj.bias", Role::bias, {Dim::qkv}, When::attention_bias},
    {"model.layers.*.self_attn.o_proj.weight", Role::attn_o, {Dim::hidden, Dim::q}},
    {"model.layers.*.self_attn.o_proj.bias", Role::bias, {Dim::hidden}, When::attention_bias},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, kAttentionRows, blocks::kPlainMlp, blocks::kTwoBiasedNorms, blocks::kBiasedHead};
constexpr std::string_view kTypes[] = {"gpt_neox"};
constexpr Rename kParts[] = {
    {"gpt_neox.layers", "model.layers"},
    {"gpt_neox.embed_in", "model.embed_tokens"},
    {"gpt_neox.final_layer_norm", "model.norm"},
    {"embed_out", "lm_head"},
    {"attention.query_key_value", "self_attn.qkv_proj"},
    {"attention.dense", "self_attn.o_proj"},
    {"mlp.dense_h_to_4h", "mlp.up_proj"},
    {"mlp.dense_4h_to_h", "mlp.down_proj"},
};
constexpr ConfigDefault kDefaults[] = {
    {"layer_norm_eps", "1e-05"}, {"max_position_embeddings", "2048"}, {"attention_bias", "true"}, {"use_parallel_residual", "true"}};

// Old configs have names of their own for the numbers of RoPE, new ones rope_parameters; the loader's class reads the old ones.
Status edit(json::Value* text) {
  for (const char* key : {"head_dim", "num_key_value_heads"}) text->erase(key);  // the class reads neither: heads follow from hidden_size
  lift_partial_rotary(text);
  alias_key(text, "partial_rotary_factor", "rotary_pct");
  if (json::find(*text, "rotary_pct") == nullptr) (*text)["rotary_pct"] = 0.25;
  alias_key(text, "rotary_pct", "partial_rotary_factor");
  JANG_TRY(flatten_rope(text));
  alias_key(text, "rope_theta", "rotary_emb_base");
  if (json::find(*text, "rotary_emb_base") == nullptr) (*text)["rotary_emb_base"] = 10000;
  alias_key(text, "rotary_emb_base", "rope_theta");
  return {};
}

Status specify(const json::Value& text, DecoderConfig* c) {
  JANG_ASSIGN(const bool parallel, json::get_bool(text, "use_parallel_residual", true));
  for (LayerSpec& layer : c->layers) layer.norms = parallel ? Norms::parallel_apart : Norms::before;
  return {};
}

}  // namespace

constinit const Family kGptNeoX{
    .name = "gpt_neox",
    .model_types = kTypes,
    .blocks = kBlocks,
    .parts = kParts,
    .defaults = kDefaults,
    .traits = {.activation = "gelu",
               .norm_eps_key = "layer_norm_eps",
               .centred_norms = true,
               .norms = Norms::parallel_apart,
               .qkv = QkvMaps::grouped,
               .gated_mlp = false,
               .reads_partial_rotary = true,
               .partial_rotary = 0.25,
               .max_positions = 2048},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
