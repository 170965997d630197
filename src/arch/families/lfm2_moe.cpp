// SPDX-License-Identifier: Apache-2.0
// LFM2 mixtures: the mixers of LFM2 (lfm2.cpp); a dense MLP on the first num_dense_layers, then experts chosen by sigmoids and a
// correction, which weights do not see.
#include "arch/families/lfm2_moe.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/lfm2.h"
#include "arch/routed_rows.h"

namespace jang::arch {
namespace {

constexpr Form kGate[] = {
    {"model.layers.*.mlp.experts.gate_proj.weight"},
    {"model.layers.*.mlp.experts.gate_up_proj", LayoutRule::first_half},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.w1.weight", LayoutRule::stack_experts},
};
constexpr Form kUp[] = {
    {"model.layers.*.mlp.experts.up_proj.weight"},
    {"model.layers.*.mlp.experts.gate_up_proj", LayoutRule::second_half},
    {"model.layers.*.mlp.experts.*.up_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.w3.weight", LayoutRule::stack_experts},
};
constexpr Form kDown[] = {
    {"model.layers.*.mlp.experts.down_proj.weight"},
    {"model.layers.*.mlp.experts.down_proj"},
    {"model.layers.*.mlp.experts.*.down_proj.weight", LayoutRule::stack_experts},
    {"model.layers.*.mlp.experts.*.w2.weight", LayoutRule::stack_experts},
};
constexpr auto kMixture = routed_rows({}, kGate, kUp, kDown);
constexpr Block kBlocks[] = {blocks::kEmbedding,  lfm2::kConvolution, blocks::kSomeAttention, lfm2::kSomeQkNorms, kMixture,
                             kSwitchedCorrection, blocks::kDenseMlp,  blocks::kTwoNorms,      blocks::kHead};
constexpr std::string_view kTypes[] = {"lfm2_moe"};
constexpr std::string_view kSwitches[] = {"conv_bias"};
constexpr Rename kParts[] = {
    {"self_attn.out_proj", "self_attn.o_proj"},
    {"self_attn.q_layernorm", "self_attn.q_norm"},
    {"self_attn.k_layernorm", "self_attn.k_norm"},
    {"feed_forward", "mlp"},
    {"mlp.w1", "mlp.gate_proj"},
    {"mlp.w3", "mlp.up_proj"},
    {"mlp.w2", "mlp.down_proj"},
    {"mlp.expert_bias", "mlp.gate.e_score_correction_bias"},
    {"operator_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"embedding_norm", "norm"},
};
constexpr ConfigDefault kDefaults[] = {
    {"norm_eps", "1e-05"},      {"rope_theta", "1000000.0"}, {"max_position_embeddings", "128000"}, {"num_key_value_heads", "8"},
    {"conv_bias", "false"},     {"num_dense_layers", "2"},   {"use_expert_bias", "true"},           {"routed_scaling_factor", "1.0"},
    {"norm_topk_prob", "true"}, {"num_experts_per_tok", "4"}};

Status edit(json::Value* text) {
  add_defaults(kDefaults, text);
  JANG_ASSIGN(const std::int64_t n_dense, json::get_int(*text, "num_dense_layers", 2, 0, 10000));
  JANG_TRY(list_dense_layers(text, [&](std::int64_t l) { return l < n_dense; }));
  return lfm2::edit_shared(text);
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_ASSIGN(const bool corrected, json::get_bool(text, "use_expert_bias", true));
  JANG_ASSIGN(const double scale, json::get_number(text, "routed_scaling_factor", 1));
  for (LayerSpec& layer : config->layers)
    if (auto* experts = std::get_if<ExpertsSpec>(&layer.ffn); experts != nullptr) {
      experts->scoring = Scoring::sigmoid;
      experts->correction_bias = corrected;
      experts->weights_scale = static_cast<float>(scale);
    }
  return {};
}

}  // namespace

constinit const Family kLfm2Moe{
    .name = "lfm2_moe",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = kReadsMoe | kReadsSparseStep | kReadsShortConv,
    .tied_by_default = true,
    .traits = {.norm_eps_key = "norm_eps", .qk_norm = true, .theta = 1e6, .max_positions = 128000},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
