// SPDX-License-Identifier: Apache-2.0
// GLM-4.5 (glm4_moe): grouped attention whose first half of every head is rotated, with biases on queries, keys and values and with norms
// of queries and keys where the config says so; the mixture of DeepSeek-V3 (deepseek_moe.h).
#include "arch/families/glm4_moe.h"

#include "arch/decoder_config.h"
#include "arch/families/deepseek_moe.h"

namespace jang::arch {
namespace {

constexpr Row kExtras[] = {
    {"model.layers.*.self_attn.q_proj.bias", Role::bias, {Dim::q}, When::attention_bias},
    {"model.layers.*.self_attn.k_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
    {"model.layers.*.self_attn.v_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::head}, When::qk_norm},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::head}, When::qk_norm},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention,        kExtras,
                             blocks::kRoutedMlp, deepseek_moe::kCorrection, deepseek_moe::kSharedExperts,
                             blocks::kDenseMlp,  blocks::kTwoNorms,         blocks::kHead};
constexpr std::string_view kTypes[] = {"glm4_moe"};
constexpr ConfigDefault kDefaults[] = {
    {"norm_topk_prob", "true"},
    {"n_group", "1"},
    {"topk_group", "1"},
    {"routed_scaling_factor", "1.0"},
    {"use_qk_norm", "false"},
    {"attention_bias", "false"},
    {"rms_norm_eps", "1e-05"},
    {"rope_theta", "10000.0"},
    {"rope_scaling", "null"},
    {"tie_word_embeddings", "false"},
    {"partial_rotary_factor", "0.5"},
};

Status edit(json::Value* text) {
  JANG_TRY(deepseek_moe::edit(text));
  if (const json::Value* rope = json::find(*text, "rope_parameters"); rope != nullptr && rope->is_object())
    if (const json::Value* part = json::find(*rope, "partial_rotary_factor"); part != nullptr && part->is_number()) {
      const json::Value copy = *part;
      (*text)["partial_rotary_factor"] = copy;
    }
  return {};
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_ASSIGN(const bool qk_norm, json::get_bool(text, "use_qk_norm", false));
  for (LayerSpec& layer : config->layers) std::get<AttentionSpec>(layer.mixer).qk_norm = qk_norm;
  return deepseek_moe::specify(text, config);
}

}  // namespace

constinit const Family kGlm4Moe{
    .name = "glm4_moe",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads,
    .more_layers = true,
    .traits = {.reads_partial_rotary = true, .partial_rotary = 0.5, .max_positions = 131072},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
