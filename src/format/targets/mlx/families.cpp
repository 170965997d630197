// SPDX-License-Identifier: Apache-2.0
// The table, from reading the classes of mlx-lm 0.32. llama's tie_word_embeddings defaults to true there and to false in transformers;
// qwen3's demands head_dim; gemma3's tie exactly when there is no lm_head; qwen3_5's know the text model under the wrapper's type only;
// qwen3_next's shifts zero-centred norms at conversion and demands rope_theta, partial_rotary_factor and mlp_only_layers. finish_config and
// arch's own tables see to these. gpt_oss's has the numbers of its SwiGLU and its biases built in, and reads its experts from mxfp4 blocks
// or in the form here, not from transformers' transposed one; ernie4_5_moe's leaves the correction of its router out. gemma4's assume
// the numbers of E2B where a config is silent, and read what differs in layers of full attention under keys of its own only.
// glm4_moe_lite's normalises latents with rms_norm_eps, transformers with 1e-6 as DeepSeek does; llama4's normalises queries and keys with
// 1e-6, transformers with rms_norm_eps: both are below the rounding of 16 bits.
#include "format/targets/mlx/families.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace jang::targets::mlx {
namespace {

constexpr arch::Rename kGptNeoXParts[] = {
    {"model.h", "model.layers"},
    {"model.embed_in", "model.embed_tokens"},
    {"model.embed_out", "lm_head"},
    {"model.final_layer_norm", "model.norm"},
    {"attention.dense", "self_attn.o_proj"},
    {"attention.query_key_value", "self_attn.qkv_proj"},
    {"mlp.dense_h_to_4h", "mlp.up_proj"},
    {"mlp.dense_4h_to_h", "mlp.down_proj"},
};

constexpr arch::Rename kGraniteMoeParts[] = {{"mlp.router.layer", "mlp.gate"}};
constexpr arch::Rename kNemotronHParts[] = {
    {"backbone", "model"},
    {"embeddings", "embed_tokens"},
    {"mixer.in_proj", "mamba.in_proj"},
    {"mixer.out_proj", "mamba.out_proj"},
    {"mixer.conv1d", "mamba.conv1d"},
    {"mixer.A_log", "mamba.A_log"},
    {"mixer.D", "mamba.D"},
    {"mixer.dt_bias", "mamba.dt_bias"},
    {"mixer.norm", "mamba.gated_norm"},
    {"mixer.q_proj", "self_attn.q_proj"},
    {"mixer.k_proj", "self_attn.k_proj"},
    {"mixer.v_proj", "self_attn.v_proj"},
    {"mixer.o_proj", "self_attn.o_proj"},
    {"mixer.up_proj", "mlp.up_proj"},
    {"mixer.down_proj", "mlp.down_proj"},
    {"mixer.gate", "mlp.gate"},
    {"mixer.experts", "mlp.experts"},  // of published files; the class has the two below
    {"mixer.switch_mlp.fc1", "mlp.experts.up_proj"},
    {"mixer.switch_mlp.fc2", "mlp.experts.down_proj"},
    {"mixer.shared_experts", "mlp.shared_experts"},
    {"norm", "input_layernorm"},
    {"norm_f", "norm"},
};
constexpr arch::Rename kGraniteHybridParts[] = {
    {"mamba.norm", "mamba.gated_norm"},
    {"block_sparse_moe.router.layer", "mlp.gate"},
    {"block_sparse_moe.switch_mlp", "mlp.experts"},
    {"shared_mlp.input_linear", "mlp.shared_experts.gate_up_proj"},
    {"shared_mlp.output_linear", "mlp.shared_experts.down_proj"},
};
constexpr FixedNumber kMamba2Numbers[] = {{"layer_norm_epsilon", 1e-5}};  // of the norms before the blocks
constexpr arch::Rename kGemma4Parts[] = {{"router.proj", "mlp.gate"},
                                         {"router.scale", "mlp.gate.scale"},
                                         {"router.per_expert_scale", "mlp.gate.per_expert_scale"},
                                         {"experts.switch_glu", "mlp.experts"}};
constexpr arch::Rename kLfm2MoeParts[] = {
    {"self_attn.out_proj", "self_attn.o_proj"},
    {"self_attn.q_layernorm", "self_attn.q_norm"},
    {"self_attn.k_layernorm", "self_attn.k_norm"},
    {"mlp.expert_bias", "mlp.gate.e_score_correction_bias"},
    {"operator_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"embedding_norm", "norm"},
};
constexpr FixedNumber kLlama4Numbers[] = {{"no_rope_layer_interval", 4}};
constexpr FixedNumber kGptOssNumbers[] = {{"swiglu_limit", 7.0}, {"swiglu_alpha", 1.702}};
constexpr std::string_view kInternLm3Ropes[] = {"linear", "dynamic"};

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
     .linear_rope_only = true,
     .head = OutputHead::always},
    {.family = "olmoe", .unread_key = "clip_qkv"},
    {.family = "glm4_moe", .scales_rope = false, .plain_router = true, .head = OutputHead::always},
    {.family = "minimax_m2", .routers_8bit = true, .scales_rope = false, .feed_forward = "block_sparse_moe", .bare_correction = true},
    {.family = "deepseek_v2", .demands_scaling = true, .plain_router = true, .head = OutputHead::always},
    {.family = "deepseek_v3", .cuts_kv_b = true, .plain_router = true, .head = OutputHead::always},
    {.family = "phi3", .reads_head_dim = false},
    {.family = "gemma", .scales_rope = false, .activation = "gelu", .head = OutputHead::never},
    {.family = "gemma2", .scales_rope = false, .has_softcaps = true, .head = OutputHead::never},
    {.family = "olmo2"},
    {.family = "olmo3", .has_window = true, .wants_both_kinds = true},
    {.family = "granite", .reads_head_dim = false, .ends_8bit = true},
    {.family = "smollm3", .has_window = true},
    {.family = "seed_oss", .head = OutputHead::always},
    {.family = "cohere2", .scales_rope = false, .has_window = true, .head = OutputHead::never},
    {.family = "exaone4", .has_window = true, .wants_both_kinds = true},
    {.family = "glm4", .scales_rope = false, .head = OutputHead::always},
    {.family = "hunyuan_v1_dense"},
    {.family = "ernie4_5", .scales_rope = false},
    {.family = "starcoder2", .scales_rope = false, .reads_head_dim = false, .activation = "gelu", .always_biased = true},
    {.family = "stablelm", .scales_rope = false, .reads_head_dim = false, .head = OutputHead::always},
    {.family = "internlm3", .reads_head_dim = false, .rope_types = kInternLm3Ropes},
    {.family = "helium", .scales_rope = false, .reads_head_dim = false, .head = OutputHead::always},
    {.family = "nemotron", .linear_rope_only = true},
    {.family = "phi", .scales_rope = false, .reads_head_dim = false, .head = OutputHead::always},
    {.family = "lfm2", .scales_rope = false, .reads_head_dim = false, .wants_both_kinds = true, .head = OutputHead::never},
    {.family = "gpt_neox",
     .scales_rope = false,
     .reads_head_dim = false,
     .activation = "gelu_pytorch_tanh",
     .always_biased = true,
     .head = OutputHead::always,
     .ffn_per_hidden = 4,
     .parts = kGptNeoXParts},
    {.family = "gpt_oss",
     .routers_8bit = true,
     .has_window = true,
     .stack = "experts",
     .wants_both_kinds = true,
     .always_biased = true,
     .head = OutputHead::always,
     .fixed = kGptOssNumbers},
    {.family = "granitemoe",
     .routers_8bit = true,
     .reads_head_dim = false,
     .feed_forward = "block_sparse_moe",
     .ends_8bit = true,
     .parts = kGraniteMoeParts},
    {.family = "nemotron_h", .plain_router = true, .head = OutputHead::always, .parts = kNemotronHParts},
    {.family = "granitemoehybrid",
     .routers_8bit = true,
     .scales_rope = false,
     .reads_head_dim = false,
     .norms_whole_rows = true,
     .parts = kGraniteHybridParts},
    {.family = "mamba2", .scales_rope = false, .norms_whole_rows = true, .fixed = kMamba2Numbers, .parts = kNemotronHParts},
    {.family = "ernie4_5_moe", .scales_rope = false, .drops_correction = true},
    {.family = "dots1", .stack = "experts", .plain_router = true, .never_biased = true},
    {.family = "exaone_moe", .has_window = true, .plain_router = true},
    {.family = "gemma4_text", .routers_8bit = true, .has_window = true, .stack = "experts", .has_softcaps = true, .parts = kGemma4Parts},
    {.family = "gemma4",
     .prefix = "language_model.",
     .vocab_at_top = true,
     .routers_8bit = true,
     .has_window = true,
     .stack = "experts",
     .has_softcaps = true,
     .parts = kGemma4Parts},
    {.family = "ministral3"},
    {.family = "mistral4", .cuts_kv_b = true},
    {.family = "mistral3_of_mistral4", .prefix = "language_model.", .cuts_kv_b = true},
    {.family = "glm4_moe_lite", .cuts_kv_b = true, .plain_router = true, .head = OutputHead::always},
    {.family = "kimi_k25", .prefix = "language_model.", .cuts_kv_b = true, .plain_router = true, .head = OutputHead::always},
    {.family = "solar_open", .scales_rope = false, .plain_router = true, .head = OutputHead::always},
    {.family = "lfm2_moe",
     .routers_8bit = true,
     .scales_rope = false,
     .reads_head_dim = false,
     .feed_forward = "feed_forward",
     .head = OutputHead::never,
     .parts = kLfm2MoeParts},
    {.family = "bailing_moe", .routers_8bit = true, .reads_head_dim = false, .router = "gate.gate_proj"},
    {.family = "llama4",
     .prefix = "language_model.",
     .feed_forward = "feed_forward",
     .stack = "experts",
     .head = OutputHead::always,
     .fixed = kLlama4Numbers},
    {.family = "cohere", .scales_rope = false, .reads_head_dim = false, .head = OutputHead::never},
    {.family = "exaone", .reads_head_dim = false},
    {.family = "internlm2", .reads_head_dim = false, .rope_types = kInternLm3Ropes, .rope_type_key = "type"},
    {.family = "mimo", .reads_head_dim = false},
    {.family = "minicpm", .reads_head_dim = false, .scales_tied_logits = false},
};

}  // namespace

const FamilyRow& family_row(std::string_view family) {
  const auto row = std::ranges::find(kRows, family, &FamilyRow::family);
  JANG_CHECK(row != std::end(kRows));
  return *row;
}

}  // namespace jang::targets::mlx
