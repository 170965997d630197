// SPDX-License-Identifier: Apache-2.0
// dots.llm1: the attention of Qwen3, with windows on the layers that layer_types names, or else from max_window_layers on; the mixture of
// DeepSeek-V3 (deepseek_moe.h).
#include "arch/families/dots1.h"

#include <algorithm>

#include "arch/decoder_config.h"
#include "arch/families/deepseek_moe.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {
    blocks::kEmbedding,        blocks::kAttention,           blocks::kAttentionBiases, blocks::kQkNorms,  blocks::kRoutedMlp,
    deepseek_moe::kCorrection, deepseek_moe::kSharedExperts, blocks::kDenseMlp,        blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"dots1"};
constexpr ConfigDefault kDefaults[] = {
    {"norm_topk_prob", "false"},         {"n_group", "1"},          {"topk_group", "1"},       {"routed_scaling_factor", "1.0"},
    {"attention_bias", "false"},         {"rms_norm_eps", "1e-06"}, {"rope_theta", "10000.0"}, {"rope_scaling", "null"},
    {"max_position_embeddings", "2048"},
};

// layer_types as the class fills them; a window that no layer has is none.
Status fill_windows(json::Value* text) {
  if (!text->contains("sliding_window")) (*text)["sliding_window"] = 4096;
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, 10000));
  JANG_ASSIGN(const std::int64_t first, json::get_int(*text, "max_window_layers", 62, 0, 1 << 20));
  if (json::find(*text, "layer_types") == nullptr) {
    json::Value types = json::Value::array();
    const bool slides = json::find(*text, "sliding_window") != nullptr;
    for (std::int64_t l = 0; l < n_layers; ++l) types.push_back(slides && l >= first ? "sliding_attention" : "full_attention");
    (*text)["layer_types"] = std::move(types);
  }
  const json::Value& types = (*text)["layer_types"];
  if (types.is_array() && std::ranges::find(types, "sliding_attention") == types.end()) (*text)["sliding_window"] = nullptr;
  return {};
}

Status edit(json::Value* text) {
  JANG_TRY(fill_windows(text));
  return deepseek_moe::edit(text);
}

// Published configs name a way of choosing under scoring_func, which the class does not read.
Status specify(const json::Value& text, DecoderConfig* config) {
  json::Value read = text;
  read["scoring_func"] = "sigmoid";
  return deepseek_moe::specify(read, config);
}

}  // namespace

constinit const Family kDots1{
    .name = "dots1",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads,
    .traits = {.qk_norm = true, .window = WindowRule::pattern, .max_positions = 2048},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
