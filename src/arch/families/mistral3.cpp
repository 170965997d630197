// SPDX-License-Identifier: Apache-2.0
// Wrapped checkpoints of the model type mistral3 whose text_config is of Mistral (or of llama, which computes the same where no window is
// set), or of Ministral 3. Mistral 4 in the same wrapper is a family of its own (mistral4.cpp).
#include "arch/families/mistral3.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/ministral3.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kDenseMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"mistral3"}, kTextTypes[] = {"mistral", "llama", "ministral3"};
constexpr Rename kPrefixes[] = {{"model.language_model.", "model."}, {"language_model.", ""}};
constexpr std::string_view kTowers[] = {"vision_tower", "model.vision_tower", "multi_modal_projector", "model.multi_modal_projector"};

bool is_ministral(const json::Value& text) {
  const json::Value* type = json::find(text, "model_type");
  return type != nullptr && *type == "ministral3";
}

Status edit(json::Value* text) {
  if (!is_ministral(*text)) return flatten_rope(text);
  add_defaults(kMinistral3.defaults, text);
  return kMinistral3.edit(text);
}

Status specify(const json::Value& text, DecoderConfig* config) { return is_ministral(text) ? kMinistral3.specify(text, config) : Status(); }

}  // namespace

constinit const Family kMistral3{
    .name = "mistral3",
    .model_types = kTypes,
    .text_types = kTextTypes,
    .blocks = kBlocks,
    .towers = kTowers,
    .prefixes = kPrefixes,
    .defaults = blocks::kDefaults,
    .text_config = true,
    .traits = {.window = WindowRule::always, .max_positions = 131072},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
