// SPDX-License-Identifier: Apache-2.0
// Gemma 3, text only, and the language model inside the multimodal "gemma3" checkpoints. Four norms a layer;
// they are stored zero-centred and the model adds the one itself (Traits::norm_offset), so nothing is shifted. Embedding and head are tied
// unless there is a head of its own. Sliding and full attention alternate with the period sliding_window_pattern.
#include "arch/families/gemma3_text.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kQkNorms,
                             blocks::kDenseMlp,  blocks::kFourNorms, blocks::kHead};
constexpr std::string_view kTextTypes[] = {"gemma3_text"};
constexpr std::string_view kTypes[] = {"gemma3"};

// transformers' defaults, which Google's own configs rely on.
constexpr ConfigDefault kDefaults[] = {
    {"vocab_size", "262208"}, {"num_attention_heads", "8"},     {"num_key_value_heads", "4"},
    {"head_dim", "256"},      {"query_pre_attn_scalar", "256"}, {"sliding_window", "4096"},
};
// The config has an attn_logit_softcapping key, but transformers' class of Gemma 3 does not apply it; the published models leave it null.
constexpr Traits kTraits = {
    .activation_key = "hidden_activation",
    .activation = "gelu_pytorch_tanh",
    .norm_offset = 1,
    .scales_embedding = true,
    .norms = Norms::around,
    .qk_norm = true,
    .query_pre_attn_scalar = true,
    .logit_softcap = true,
    .theta = 1'000'000,
    .local_theta = 10'000,
    .window = WindowRule::pattern,
    .max_positions = 131072,
};
constexpr Rename kPrefixes[] = {{"model.language_model.", "model."}, {"language_model.", ""}};
constexpr std::string_view kTowers[] = {"vision_tower", "model.vision_tower", "multi_modal_projector", "model.multi_modal_projector"};

Status edit(json::Value* text) {
  alias_key(text, "_sliding_window_pattern", "sliding_window_pattern");
  JANG_TRY(period_from_layer_types(text, "full_attention", "sliding_window_pattern"));
  return flatten_rope_by_layer_type(text);
}

}  // namespace

constinit const Family kGemma3Text{
    .name = "gemma3_text",
    .model_types = kTextTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .tied_by_default = true,
    .traits = kTraits,
    .edit = edit,
};

constinit const Family kGemma3{
    .name = "gemma3",
    .model_types = kTypes,
    .blocks = kBlocks,
    .towers = kTowers,
    .prefixes = kPrefixes,
    .defaults = kDefaults,
    .text_config = true,
    .tied_by_default = true,
    .traits = kTraits,
    .edit = edit,
};

}  // namespace jang::arch
