// SPDX-License-Identifier: Apache-2.0
// Ministral 3: Mistral with YaRN, whose queries grow with the logarithm of their position beyond the context that it was first trained on.
#include "arch/families/ministral3.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kDenseMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"ministral3"};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-05"},  {"max_position_embeddings", "262144"},
                                       {"head_dim", "128"},        {"num_key_value_heads", "8"},
                                       {"sliding_window", "null"}, {"tie_word_embeddings", "false"}};
constexpr const char* kSlope = "llama_4_scaling_beta";
constexpr const char* kLength = "original_max_position_embeddings";

Status edit(json::Value* text) {
  return ministral3::edit_rope({{"rope_type", "yarn"},
                                {"type", "yarn"},
                                {"rope_theta", 1e6},
                                {"factor", 16.0},
                                {kLength, 16384},
                                {"beta_fast", 32.0},
                                {"beta_slow", 1.0},
                                {"mscale_all_dim", 1.0},
                                {"mscale", 1.0},
                                {kSlope, 0.1}},
                               text);
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_ASSIGN(const QueryScale scale, ministral3::query_scale(text));
  for (LayerSpec& layer : config->layers) std::get<AttentionSpec>(layer.mixer).query_scale = scale;
  return {};
}

}  // namespace

Result<QueryScale> ministral3::query_scale(const json::Value& text) {
  const json::Value* rope = json::find(text, "rope_parameters");
  if (rope == nullptr || !rope->is_object()) return Status(StatusCode::corrupt, "config.json: rope_parameters must be an object");
  JANG_ASSIGN(const double slope, json::get_number(*rope, kSlope, 0));
  if (!(slope >= 0) || slope > 1e3)
    return Status(StatusCode::corrupt, "config.json: 'llama_4_scaling_beta' must be a number from 0 to 1000");
  JANG_ASSIGN(const std::int64_t length, json::get_int(*rope, kLength, 1, 1, std::int64_t{1} << 40));
  return QueryScale{static_cast<float>(slope), length, 0};
}

Status ministral3::edit_rope(const json::Value& defaults, json::Value* text) {
  if (json::find(*text, "rope_parameters") == nullptr) {
    const json::Value* old = json::find(*text, "rope_scaling");
    json::Value parameters = old != nullptr && old->is_object() ? *old : defaults;
    if (const json::Value* theta = json::find(*text, "rope_theta"); theta != nullptr && old != nullptr) parameters["rope_theta"] = *theta;
    (*text)["rope_parameters"] = std::move(parameters);
  }
  const json::Value* rope = json::find(*text, "rope_parameters");
  for (const char* key : {kSlope, kLength, "rope_theta"})
    if (rope == nullptr || !rope->is_object() || json::find(*rope, key) == nullptr)
      return {StatusCode::corrupt, std::string("config.json: rope_parameters must be an object with ") + key};
  return flatten_rope(text);
}

constinit const Family kMinistral3{
    .name = "ministral3",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.theta = 1e6, .window = WindowRule::always, .max_positions = 262144},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
