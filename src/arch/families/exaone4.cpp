// SPDX-License-Identifier: Apache-2.0
// EXAONE 4: norms behind the blocks, norms of queries and keys per head. Models with windows have them on most layers, and their other
// layers do not rotate positions; models without rotate everywhere. The pattern of windows is a period, or letters L (window) and G.
#include "arch/families/exaone4.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention,  blocks::kQkNorms,
                             blocks::kDenseMlp,  blocks::kNormsAfter, blocks::kHead};
constexpr std::string_view kTypes[] = {"exaone4"};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-05"},
                                       {"rope_theta", "10000.0"},
                                       {"max_position_embeddings", "2048"},
                                       {"rope_scaling", "null"},
                                       {"sliding_window_pattern", "null"}};

// Fills `types` from a period or from letters. Errors: corrupt.
Status types_of(const json::Value& pattern, std::int64_t n_layers, json::Value* types) {
  const Status bad(StatusCode::corrupt, "config.json: sliding_window_pattern must be a period above 0 or letters L and G");
  for (std::int64_t l = 0; l < n_layers; ++l) {
    bool slides = false;
    if (pattern.is_number_integer() && pattern > 0 && pattern <= 10000) {
      slides = (l + 1) % pattern.get<std::int64_t>() != 0;
    } else if (pattern.is_string() && !pattern.get_ref<const std::string&>().empty()) {
      const std::string& letters = pattern.get_ref<const std::string&>();
      const char letter = letters[static_cast<std::size_t>(l) % letters.size()];
      if (letter != 'L' && letter != 'G') return bad;
      slides = letter == 'L';
    } else {
      return bad;
    }
    types->push_back(slides ? "sliding_attention" : "full_attention");
  }
  return {};
}

// layer_types for us, letters for the loader, whichever the config has.
Status edit(json::Value* text) {
  JANG_TRY(flatten_rope(text));
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, 10000));
  if (!text->contains("sliding_window")) (*text)["sliding_window"] = 4096;
  if (json::find(*text, "sliding_window") == nullptr) {
    (*text)["sliding_window_pattern"] = nullptr;
    return {};
  }
  if (json::find(*text, "layer_types") == nullptr) {
    const json::Value* given = json::find(*text, "sliding_window_pattern");
    json::Value types = json::Value::array();
    JANG_TRY(types_of(given != nullptr ? *given : json::Value(4), n_layers, &types));
    (*text)["layer_types"] = std::move(types);
  }
  const json::Value& types = (*text)["layer_types"];
  if (!types.is_array()) return {StatusCode::corrupt, "config.json: layer_types must be an array"};
  std::string letters;
  for (const json::Value& type : types) letters += type == "sliding_attention" ? 'L' : 'G';
  (*text)["sliding_window_pattern"] = letters;
  return {};
}

Status specify(const json::Value& text, DecoderConfig* c) {
  if (json::find(text, "sliding_window") == nullptr) return {};
  for (LayerSpec& layer : c->layers) {
    auto& attention = std::get<AttentionSpec>(layer.mixer);
    if (attention.window == 0) attention.rope = kNoRope;
  }
  return {};
}

}  // namespace

constinit const Family kExaone4{
    .name = "exaone4",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.norms = Norms::after, .qk_norm = true, .window = WindowRule::pattern, .window_period = 4, .max_positions = 2048},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
