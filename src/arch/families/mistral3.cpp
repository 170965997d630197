// SPDX-License-Identifier: Apache-2.0
// Wrapped checkpoints of the model type mistral3 whose text_config is of Mistral (or of llama, which computes the same where no window is
// set). Other language models in the same wrapper, ministral3 and mistral4, are none of this family.
#include "arch/families/mistral3.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kDenseMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"mistral3"}, kTextTypes[] = {"mistral", "llama"};
constexpr Rename kPrefixes[] = {{"model.language_model.", "model."}, {"language_model.", ""}};
constexpr std::string_view kTowers[] = {"vision_tower", "model.vision_tower", "multi_modal_projector", "model.multi_modal_projector"};

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
    .edit = flatten_rope,
};

}  // namespace jang::arch
