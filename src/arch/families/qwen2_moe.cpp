// SPDX-License-Identifier: Apache-2.0
// Qwen2-MoE: the attention of Qwen2, with biases on queries, keys and values; routed experts and a gated shared one on the layers the
// config calls sparse, a dense MLP on the others. Weights of the chosen experts are not divided by their sum unless the config says so.
#include "arch/families/qwen2_moe.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/families/qwen3_5.h"

namespace jang::arch {
namespace {

constexpr Row kBiases[] = {
    {"model.layers.*.self_attn.q_proj.bias", Role::bias, {Dim::q}},
    {"model.layers.*.self_attn.k_proj.bias", Role::bias, {Dim::kv}},
    {"model.layers.*.self_attn.v_proj.bias", Role::bias, {Dim::kv}},
};
constexpr Block kBlocks[] = {blocks::kEmbedding,     blocks::kAttention, kBiases,           blocks::kRoutedMlp,
                             qwen3_5::kSharedExpert, blocks::kDenseMlp,  blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"qwen2_moe"};
constexpr ConfigDefault kDefaults[] = {
    {"decoder_sparse_step", "1"}, {"mlp_only_layers", "[]"}, {"norm_topk_prob", "false"}, {"intermediate_size", "5632"},
    {"num_experts_per_tok", "4"}, {"rope_theta", "10000.0"}, {"rms_norm_eps", "1e-06"},
};

// The windows of a class whose default differs from that of its relatives: every second layer below max_window_layers.
Status fill_layer_types(json::Value* text) {
  JANG_ASSIGN(const bool slides, json::get_bool(*text, "use_sliding_window", false));
  if (!slides || json::find(*text, "layer_types") != nullptr) return {};
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, 10000));
  JANG_ASSIGN(const std::int64_t limit, json::get_int(*text, "max_window_layers", 28, 0, 1 << 20));
  json::Value types = json::Value::array();
  for (std::int64_t l = 0; l < n_layers; ++l) types.push_back(l % 2 == 0 && l < limit ? "sliding_attention" : "full_attention");
  (*text)["layer_types"] = std::move(types);
  return {};
}

Status edit(json::Value* text) {
  alias_key(text, "num_local_experts", "num_experts");
  JANG_TRY(fill_layer_types(text));
  return flatten_rope(text);
}

}  // namespace

constinit const Family kQwen2Moe{
    .name = "qwen2_moe",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = kReadsMoe | kReadsSharedExpert | kReadsSparseStep,
    .traits = {.window = WindowRule::by_layer},
    .edit = edit,
};

}  // namespace jang::arch
