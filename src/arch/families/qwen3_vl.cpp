// SPDX-License-Identifier: Apache-2.0
// The wrapped checkpoints name the text model model.language_model.* and keep lm_head at the top. Positions have three coordinates (time,
// height, width) that are equal for text: interleaved or not, the RoPE of text is the ordinary one. Its sections stay in the config for
// loaders that see images. The mixture is published with its experts transposed, [E, in, 2 out] and [E, in, out]
// (format/targets/transposed_experts.h); here they are [E, 2 out, in] and [E, out, in].
#include "arch/families/qwen3_vl.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kDense[] = {blocks::kEmbedding, blocks::kAttention, blocks::kQkNorms, blocks::kDenseMlp, blocks::kTwoNorms, blocks::kHead};
constexpr Block kMixture[] = {blocks::kEmbedding, blocks::kAttention, blocks::kQkNorms, blocks::kRoutedMlp,
                              blocks::kDenseMlp,  blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kDenseTypes[] = {"qwen3_vl"}, kMixtureTypes[] = {"qwen3_vl_moe"};
constexpr Rename kPrefixes[] = {{"model.language_model.", "model."}, {"language_model.", ""}};
constexpr std::string_view kTowers[] = {"model.visual", "visual", "vision_tower"};
constexpr ConfigDefault kDenseDefaults[] = {
    {"head_dim", "128"}, {"max_position_embeddings", "128000"}, {"rms_norm_eps", "1e-06"}, {"rope_theta", "500000.0"}};
constexpr ConfigDefault kMixtureDefaults[] = {
    {"decoder_sparse_step", "1"},          {"mlp_only_layers", "[]"},  {"norm_topk_prob", "true"}, {"intermediate_size", "5632"},
    {"max_position_embeddings", "128000"}, {"rope_theta", "500000.0"}, {"rms_norm_eps", "1e-06"},  {"num_experts_per_tok", "4"},
};

// Loaders look for the sections in rope_scaling, where older configs have them.
Status edit_dense(json::Value* text) {
  JANG_TRY(flatten_rope(text));
  const json::Value* parameters = json::find(*text, "rope_parameters");
  if (parameters == nullptr || json::find(*parameters, "mrope_section") == nullptr || json::find(*text, "rope_scaling") != nullptr)
    return {};
  json::Value scaling = *parameters;
  scaling.erase("rope_theta");
  (*text)["rope_scaling"] = std::move(scaling);
  return {};
}

// The weights of the chosen experts always add up to one, whatever the config says.
Status edit_mixture(json::Value* text) {
  alias_key(text, "num_local_experts", "num_experts");
  (*text)["norm_topk_prob"] = true;
  return edit_dense(text);
}

}  // namespace

constinit const Family kQwen3Vl{
    .name = "qwen3_vl",
    .model_types = kDenseTypes,
    .blocks = kDense,
    .towers = kTowers,
    .prefixes = kPrefixes,
    .defaults = kDenseDefaults,
    .text_config = true,
    .traits = {.qk_norm = true, .theta = 500000},
    .edit = edit_dense,
};

constinit const Family kQwen3VlMoe{
    .name = "qwen3_vl_moe",
    .model_types = kMixtureTypes,
    .blocks = kMixture,
    .towers = kTowers,
    .prefixes = kPrefixes,
    .defaults = kMixtureDefaults,
    .reads = kReadsMoe | kReadsSparseStep,
    .text_config = true,
    .traits = {.qk_norm = true, .always_norm_topk = true, .theta = 500000},
    .edit = edit_mixture,
};

}  // namespace jang::arch
