// SPDX-License-Identifier: Apache-2.0
// SmolLM3: llama, of which every fourth layer (or those of no_rope_layers, where 1 means that a layer has RoPE) does not rotate positions.
// Those layers have the window of a config that uses one.
#include "arch/families/smollm3.h"

#include <fmt/format.h>

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, blocks::kDenseMlp, blocks::kMlpBiases,
                             blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"smollm3"};
constexpr ConfigDefault kDefaults[] = {
    {"rms_norm_eps", "1e-06"}, {"tie_word_embeddings", "true"}, {"rope_theta", "2000000.0"}, {"max_position_embeddings", "32768"}};

Result<std::vector<bool>> rotating_layers(const json::Value& text, int n_layers) {
  std::vector<bool> rotates;
  const json::Value* list = json::find(text, "no_rope_layers");
  if (list == nullptr) {
    JANG_ASSIGN(const std::int64_t interval, json::get_int(text, "no_rope_layer_interval", 4, 1, 10000));
    for (int l = 0; l < n_layers; ++l) rotates.push_back((l + 1) % interval != 0);
    return rotates;
  }
  if (!list->is_array() || list->size() != static_cast<std::size_t>(n_layers))
    return Status(StatusCode::corrupt, fmt::format("config.json: no_rope_layers must have a number for each of the {} layers", n_layers));
  for (const json::Value& flag : *list) {
    if (!flag.is_number_integer() && !flag.is_boolean())
      return Status(StatusCode::corrupt, "config.json: no_rope_layers must be numbers, 1 for a layer with RoPE");
    rotates.push_back(flag != 0 && flag != false);
  }
  return rotates;
}

// A config that uses a window without saying where has it where nothing rotates.
Status edit(json::Value* text) {
  JANG_TRY(flatten_rope(text));
  JANG_ASSIGN(const bool windows, json::get_bool(*text, "use_sliding_window", false));
  if (!windows || json::find(*text, "sliding_window") == nullptr || json::find(*text, "layer_types") != nullptr) return {};
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, 10000));
  JANG_ASSIGN(const std::vector<bool> rotates, rotating_layers(*text, static_cast<int>(n_layers)));
  json::Value types = json::Value::array();
  for (const bool r : rotates) types.push_back(r ? "full_attention" : "sliding_attention");
  (*text)["layer_types"] = std::move(types);
  return {};
}

Status specify(const json::Value& text, DecoderConfig* c) {
  JANG_ASSIGN(const std::vector<bool> rotates, rotating_layers(text, c->n_layers()));
  for (std::size_t l = 0; l < rotates.size(); ++l)
    if (!rotates[l]) std::get<AttentionSpec>(c->layers[l].mixer).rope = kNoRope;
  return {};
}

}  // namespace

constinit const Family kSmolLm3{
    .name = "smollm3",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.theta = 2'000'000, .window = WindowRule::by_layer},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
