// SPDX-License-Identifier: Apache-2.0
// Hunyuan dense: llama with norms of queries and keys behind the rotation. Its RoPE type "dynamic" has an alpha and stretches theta once.
#include "arch/families/hunyuan_v1_dense.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, blocks::kQkNorms, blocks::kDenseMlp,
                             blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"hunyuan_v1_dense"};
constexpr Rename kParts[] = {{"self_attn.query_layernorm", "self_attn.q_norm"}, {"self_attn.key_layernorm", "self_attn.k_norm"}};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-05"}, {"rope_theta", "10000.0"}, {"max_position_embeddings", "2048"}};

// The loader's class looks for "type" and "factor" wherever there is a scaling.
Status edit(json::Value* text) {
  JANG_TRY(flatten_rope(text));
  const json::Value* scaling = json::find(*text, "rope_scaling");
  if (scaling == nullptr || !scaling->is_object() || json::find(*scaling, "alpha") == nullptr) return {};
  json::Value& rope = (*text)["rope_scaling"];
  if (json::find(rope, "type") == nullptr) rope["type"] = "dynamic";
  if (json::find(rope, "factor") == nullptr) rope["factor"] = 1.0;
  return {};
}

}  // namespace

constinit const Family kHunyuanDense{
    .name = "hunyuan_v1_dense",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .traits = {.qk_norm = true, .qk_norm_last = true, .alpha_rope = true, .max_positions = 2048},
    .edit = edit,
};

}  // namespace jang::arch
