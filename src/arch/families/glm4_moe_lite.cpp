// SPDX-License-Identifier: Apache-2.0
// GLM-4.7-Flash (glm4_moe_lite): DeepSeek-V3 by other names of its numbers. mlp_layer_types says which layers are mixtures, by default all
// but the first.
#include "arch/families/glm4_moe_lite.h"

#include "arch/config_edit.h"
#include "arch/families/deepseek_moe.h"

namespace jang::arch {
namespace {

constexpr std::string_view kTypes[] = {"glm4_moe_lite"};
constexpr ConfigDefault kDefaults[] = {
    {"norm_topk_prob", "true"},
    {"n_group", "1"},
    {"topk_group", "1"},
    {"routed_scaling_factor", "1.8"},
    {"num_experts_per_tok", "4"},
    {"rope_theta", "10000.0"},
    {"rms_norm_eps", "1e-05"},
    {"max_position_embeddings", "202752"},
    {"n_shared_experts", "1"},
    {"attention_bias", "false"},
    {"tie_word_embeddings", "false"},
};

// first_k_dense_replace of the list of layers, which loaders do not read.
Status count_dense_layers(json::Value* text) {
  const json::Value* types = json::find(*text, "mlp_layer_types");
  if (types == nullptr) {
    if (json::find(*text, "first_k_dense_replace") == nullptr) (*text)["first_k_dense_replace"] = 1;
    return {};
  }
  std::int64_t n_dense = 0;
  bool sparse = false;
  for (const json::Value& type : types->is_array() ? *types : json::Value::array()) {
    if (type != "dense" && type != "sparse")
      return {StatusCode::corrupt, "config.json: mlp_layer_types must say \"dense\" or \"sparse\" of every layer"};
    if (sparse && type == "dense")
      return {StatusCode::unsupported, "config.json: mlp_layer_types has a dense layer behind a mixture, which no loader can express"};
    sparse = sparse || type == "sparse";
    if (!sparse) ++n_dense;
  }
  (*text)["first_k_dense_replace"] = n_dense;
  return {};
}

Status edit(json::Value* text) {
  if (json::find(*text, "q_lora_rank") == nullptr && !text->contains("q_lora_rank")) (*text)["q_lora_rank"] = 768;
  add_defaults(kDefaults, text);
  JANG_TRY(count_dense_layers(text));
  return deepseek_moe::edit(text);
}

}  // namespace

constinit const Family kGlm4MoeLite{
    .name = "glm4_moe_lite",
    .model_types = kTypes,
    .blocks = deepseek_moe::kLatentMixture,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads | kReadsLatent,
    .foreign = "embed_q",  // kv_b_proj cut into heads, the part of keys transposed
    .more_layers = true,
    .traits = {.max_positions = 202752},
    .edit = edit,
    .specify = deepseek_moe::specify,
};

}  // namespace jang::arch
