// SPDX-License-Identifier: Apache-2.0
// Llama 4 (Scout, Maverick): three layers of four see chunks of the text and rotate pairs of neighbours, the fourth sees everything,
// rotates nothing and has queries that grow with their positions; queries and keys that are rotated may have norms without weights behind
// it. Every n-th layer is a mixture: the sigmoid of a token's best logit multiplies what its expert reads, beside a shared expert without a
// gate.
#include "arch/families/llama4.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/deepseek_moe.h"

namespace jang::arch {
namespace {

constexpr std::int64_t kMostLayers = 10000;

constexpr Block kBlocks[] = {blocks::kEmbedding,           blocks::kAttention, blocks::kAttentionBiases, blocks::kRoutedMlp,
                             deepseek_moe::kSharedExperts, blocks::kDenseMlp,  blocks::kTwoNorms,        blocks::kHead};
constexpr std::string_view kTypes[] = {"llama4"}, kTextTypes[] = {"llama4_text"};
constexpr Rename kPrefixes[] = {{"model.language_model.", "model."}, {"language_model.", ""}};
constexpr std::string_view kTowers[] = {"vision_model", "model.vision_model", "multi_modal_projector", "model.multi_modal_projector"};
constexpr Rename kParts[] = {{"feed_forward", "mlp"}, {"mlp.router", "mlp.gate"}, {"mlp.shared_expert", "mlp.shared_experts"}};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-05"},
                                       {"rope_theta", "500000.0"},
                                       {"rope_scaling", "null"},
                                       {"attention_bias", "false"},
                                       {"use_qk_norm", "true"},
                                       {"max_position_embeddings", "131072"},
                                       {"num_key_value_heads", "8"},
                                       {"head_dim", "128"},
                                       {"num_experts_per_tok", "1"},
                                       {"num_local_experts", "16"},
                                       {"intermediate_size", "8192"},
                                       {"intermediate_size_mlp", "16384"},
                                       {"interleave_moe_layer_step", "1"},
                                       {"no_rope_layer_interval", "4"},
                                       {"tie_word_embeddings", "false"}};

// moe_layers, or every so many-th layer: the others have one MLP.
Status list_dense(json::Value* text) {
  JANG_ASSIGN(const std::int64_t step, json::get_int(*text, "interleave_moe_layer_step", 1, 1, kMostLayers));
  const json::Value* found = json::find(*text, "moe_layers");
  const json::Value listed = found != nullptr && found->is_array() ? *found : json::Value(nullptr);
  return list_dense_layers(text, [&](std::int64_t l) {
    return listed.is_null() ? (l + 1) % step != 0 : std::find(listed.begin(), listed.end(), l) == listed.end();
  });
}

// Whether a layer rotates: no_rope_layers, where 1 says that it does, or all but every so many-th.
Status list_rotating_layers(json::Value* text) {
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, kMostLayers));
  JANG_ASSIGN(const std::int64_t interval, json::get_int(*text, "no_rope_layer_interval", 4, 1, kMostLayers));
  const json::Value* listed = json::find(*text, "no_rope_layers");
  if (listed != nullptr && listed->is_array() && !listed->empty()) {
    const bool numbers = std::ranges::all_of(*listed, [](const json::Value& v) { return v == 0 || v == 1 || v.is_boolean(); });
    if (listed->size() != static_cast<std::size_t>(n_layers) || !numbers)
      return {StatusCode::corrupt, fmt::format("config.json: no_rope_layers must have 0 or 1 for each of the {} layers", n_layers)};
    return {};
  }
  json::Value rotates = json::Value::array();
  for (std::int64_t l = 0; l < n_layers; ++l) rotates.push_back((l + 1) % interval != 0 ? 1 : 0);
  (*text)["no_rope_layers"] = std::move(rotates);
  return {};
}

Status edit(json::Value* text) {
  if (json::find(*text, "attention_chunk_size") == nullptr && !text->contains("attention_chunk_size"))
    (*text)["attention_chunk_size"] = 8192;
  add_defaults(kDefaults, text);
  copy_key(text, "num_local_experts", "num_experts");
  copy_key(text, "intermediate_size", "moe_intermediate_size");
  copy_key(text, "intermediate_size", "shared_expert_intermediate_size");
  JANG_TRY(list_dense(text));
  JANG_TRY(list_rotating_layers(text));
  return flatten_rope(text);
}

// The factor of layers that do not rotate; the switch is a number in old configs.
Result<QueryScale> query_scale(const json::Value& text) {
  const json::Value* tuned = json::find(text, "attn_temperature_tuning");
  if (tuned != nullptr && (*tuned == false || *tuned == 0)) return QueryScale();
  JANG_ASSIGN(const double slope, json::get_number(text, "attn_scale", 0.1));
  if (!(slope >= 0) || slope > 1e3) return Status(StatusCode::corrupt, "config.json: 'attn_scale' must be a number from 0 to 1000");
  JANG_ASSIGN(const double length, json::get_number(text, "floor_scale", 8192));
  if (!(length >= 1) || length > 1e12 || length != std::floor(length))
    return Status(StatusCode::corrupt, "config.json: 'floor_scale' must be a whole number above 0");
  return QueryScale{static_cast<float>(slope), static_cast<std::int64_t>(length), 1};
}

Status specify_attention(const json::Value& text, DecoderConfig* config) {
  JANG_ASSIGN(const QueryScale scale, query_scale(text));
  JANG_ASSIGN(const bool norms, json::get_bool(text, "use_qk_norm", true));
  JANG_ASSIGN(const std::int64_t chunk, json::get_int(text, "attention_chunk_size", 0, 1, std::int64_t{1} << 40));
  const json::Value& rotates = text["no_rope_layers"];
  const json::Value* types = json::find(text, "layer_types");
  const auto known = [](const json::Value& type) { return type == "chunked_attention" || type == "full_attention"; };
  if (types != nullptr && (!types->is_array() || types->size() != config->layers.size() || !std::ranges::all_of(*types, known)))
    return {StatusCode::corrupt,
            fmt::format("config.json: layer_types must say of each of the {} layers whether it is \"chunked_attention\" or "
                        "\"full_attention\"",
                        config->layers.size())};
  for (std::size_t l = 0; l < config->layers.size(); ++l) {
    auto& attention = std::get<AttentionSpec>(config->layers[l].mixer);
    const bool turns = rotates[l] != 0 && rotates[l] != false;
    attention.qk_norm = attention.qk_norm_last = attention.qk_norm_plain = norms && turns;
    if (!turns) attention.rope = kNoRope;
    if (!turns) attention.query_scale = scale;
    if (types != nullptr ? (*types)[l] == "chunked_attention" : turns) attention.chunk = chunk;
  }
  return {};
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_TRY(specify_attention(text, config));
  for (LayerSpec& layer : config->layers)
    if (auto* experts = std::get_if<ExpertsSpec>(&layer.ffn); experts != nullptr) {
      experts->scoring = Scoring::sigmoid;
      experts->norm_topk = false;
      experts->weighs_inputs = true;
      if (experts->shared) experts->shared->gated = false;
    }
  return {};
}

}  // namespace

constinit const Family kLlama4{
    .name = "llama4",
    .model_types = kTypes,
    .text_types = kTextTypes,
    .blocks = kBlocks,
    .towers = kTowers,
    .prefixes = kPrefixes,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = kReadsMoe | kReadsSharedExpert | kReadsSparseStep,
    .text_config = true,
    .traits = {.interleaved_rope = true, .theta = 500'000, .max_positions = 131072},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
