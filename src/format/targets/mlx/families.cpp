// SPDX-License-Identifier: Apache-2.0
// The table, from reading the classes of mlx-lm 0.32. llama's tie_word_embeddings defaults to true there and to false in transformers;
// qwen3's demands head_dim; gemma3's tie exactly when there is no lm_head; qwen3_5's know the text model under the wrapper's type only;
// qwen3_next's shifts zero-centred norms at conversion and demands rope_theta, partial_rotary_factor and mlp_only_layers. finish_config and
// arch's own tables see to these.
#include "format/targets/mlx/families.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace jang::targets::mlx {
namespace {

constexpr FamilyRow kRows[] = {
    {.family = "llama"},
    {.family = "mistral"},
    {.family = "qwen2", .reads_head_dim = false},
    {.family = "qwen3"},
    {.family = "qwen3_moe", .routers_8bit = true, .scales_rope = false},
    {.family = "gemma3_text", .has_window = true},
    {.family = "gemma3", .prefix = "language_model.", .vocab_at_top = true, .has_window = true},
    {.family = "qwen3_5", .model_type = "qwen3_5", .prefix = "language_model.", .routers_8bit = true},
    {.family = "qwen3_5_moe", .model_type = "qwen3_5_moe", .prefix = "language_model.", .routers_8bit = true},
    {.family = "qwen3_next", .routers_8bit = true},
    {.family = "qwen3_vl", .prefix = "language_model."},
    {.family = "qwen3_vl_moe", .prefix = "language_model.", .routers_8bit = true, .scales_rope = false},
    {.family = "mistral3", .prefix = "language_model."},
    {.family = "mixtral", .scales_rope = false, .reads_head_dim = false, .feed_forward = "block_sparse_moe"},
    {.family = "qwen2_moe",
     .scales_rope = false,
     .reads_head_dim = false,
     .has_dense_layers = false,
     .ties = false,
     .linear_rope_only = true},
    {.family = "olmoe", .unread_key = "clip_qkv"},
    {.family = "glm4_moe", .scales_rope = false, .ties = false, .plain_router = true},
    {.family = "minimax_m2", .routers_8bit = true, .scales_rope = false, .feed_forward = "block_sparse_moe", .bare_correction = true},
    {.family = "deepseek_v2", .ties = false, .demands_scaling = true, .plain_router = true},
    {.family = "deepseek_v3", .ties = false, .cuts_kv_b = true, .plain_router = true},
};

}  // namespace

const FamilyRow& family_row(std::string_view family) {
  const auto row = std::ranges::find(kRows, family, &FamilyRow::family);
  JANG_CHECK(row != std::end(kRows));
  return *row;
}

}  // namespace jang::targets::mlx
