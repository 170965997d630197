// SPDX-License-Identifier: Apache-2.0
// Qwen3-Next: the hybrid of qwen3_5.h with its linear attention projections fused, in_proj_qkvz and in_proj_ba, rows interleaved per key
// head: q, k, then v and z (b and a) of the value heads that share it. Experts routed and shared; names flat, "model.".
#include "arch/families/qwen3_next.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/families/qwen3_5.h"

namespace jang::arch {
namespace {

constexpr Row kDeltaNet[] = {
    {"model.layers.*.linear_attn.in_proj_qkvz.weight", Role::linear_attn_qkv, {Dim::delta_qkvz, Dim::hidden}, When::delta_layer},
    {"model.layers.*.linear_attn.in_proj_ba.weight", Role::linear_attn_ab, {Dim::delta_ba, Dim::hidden}, When::delta_layer},
    {"model.layers.*.linear_attn.out_proj.weight", Role::linear_attn_out, {Dim::hidden, Dim::delta_v}, When::delta_layer},
    {"model.layers.*.linear_attn.conv1d.weight", Role::conv, {Dim::delta_qkv, Dim::one, Dim::conv_kernel}, When::delta_layer},
    {"model.layers.*.linear_attn.A_log", Role::state, {Dim::delta_heads}, When::delta_layer, {}, kKeepDtype},
    {"model.layers.*.linear_attn.dt_bias", Role::state, {Dim::delta_heads}, When::delta_layer},
    {"model.layers.*.linear_attn.norm.weight", Role::norm, {Dim::delta_head_v}, When::delta_layer},
};
constexpr Block kBlocks[] = {blocks::kEmbedding,     qwen3_5::kGatedAttention, kDeltaNet,       blocks::kRoutedMlp,
                             qwen3_5::kSharedExpert, blocks::kDenseMlp,        qwen3_5::kNorms, qwen3_5::kHead};
constexpr std::string_view kTypes[] = {"qwen3_next"};
constexpr Drop kDrops[] = {
    {"mtp", "", "multi-token-prediction head: the decoder has none"},
};
constexpr ConfigDefault kDefaults[] = {
    {"head_dim", "256"},       {"num_experts_per_tok", "10"},     {"norm_topk_prob", "true"},           {"decoder_sparse_step", "1"},
    {"mlp_only_layers", "[]"}, {"intermediate_size", "5632"},     {"max_position_embeddings", "32768"}, {"rms_norm_eps", "1e-06"},
    {"rope_theta", "10000.0"}, {"partial_rotary_factor", "0.25"},
};
constexpr Traits kTraits = {
    .qk_norm = true, .gated_attention = true, .delta_interleaved = true, .reads_partial_rotary = true, .partial_rotary = 0.25};

// Theta, scaling and the rotated part at the top of the config, as old ones have them.
Status edit(json::Value* text) {
  JANG_TRY(flatten_rope(text));
  lift_partial_rotary(text);
  return qwen3_5::edit(text);
}

}  // namespace

constinit const Family kQwen3Next{
    .name = "qwen3_next",
    .model_types = kTypes,
    .blocks = kBlocks,
    .drops = kDrops,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = kReadsMoe | kReadsSharedExpert | kReadsSparseStep | kReadsDelta,
    .traits = kTraits,
    .edit = edit,
};

}  // namespace jang::arch
