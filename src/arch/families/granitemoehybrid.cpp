// SPDX-License-Identifier: Apache-2.0
// Granite 4 (IBM): layers of Mamba2 or attention, with or without RoPE, and a shared MLP whose gate and up are one matrix, alone or added
// to a mixture as Granite 3's (granitemoe.cpp); multipliers as Granite 3's (granite.cpp). Where there is no mixture the shared
// MLP is a plain one here, whose matrix is cut in two.
#include "arch/families/granitemoehybrid.h"

#include <fmt/format.h>

#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/granite.h"
#include "arch/families/mamba.h"
#include "arch/routed_rows.h"

namespace jang::arch {
namespace {

constexpr Form kRouter[] = {{"model.layers.*.mlp.gate.weight"}, {"model.layers.*.block_sparse_moe.router.layer.weight"}};
constexpr Form kGate[] = {
    {"model.layers.*.mlp.experts.gate_proj.weight"},
    {"model.layers.*.block_sparse_moe.input_linear.weight", LayoutRule::first_half},
    {"model.layers.*.mlp.experts.*.gate_proj.weight", LayoutRule::stack_experts},
};
constexpr Form kUp[] = {
    {"model.layers.*.mlp.experts.up_proj.weight"},
    {"model.layers.*.block_sparse_moe.input_linear.weight", LayoutRule::second_half},
    {"model.layers.*.mlp.experts.*.up_proj.weight", LayoutRule::stack_experts},
};
constexpr Form kDown[] = {
    {"model.layers.*.mlp.experts.down_proj.weight"},
    {"model.layers.*.block_sparse_moe.output_linear.weight"},
    {"model.layers.*.mlp.experts.*.down_proj.weight", LayoutRule::stack_experts},
};
constexpr Form kDenseGate[] = {{"model.layers.*.mlp.gate_proj.weight"},
                               {"model.layers.*.mlp.shared_experts.gate_up_proj.weight", LayoutRule::first_half}};
constexpr Form kDenseUp[] = {{"model.layers.*.mlp.up_proj.weight"},
                             {"model.layers.*.mlp.shared_experts.gate_up_proj.weight", LayoutRule::second_half}};
constexpr Form kDenseDown[] = {{"model.layers.*.mlp.down_proj.weight"}, {"model.layers.*.mlp.shared_experts.down_proj.weight"}};
constexpr Row kMlp[] = {
    {"model.layers.*.mlp.gate_proj.weight", Role::mlp_gate, {Dim::ffn, Dim::hidden}, When::dense_layer, kDenseGate},
    {"model.layers.*.mlp.up_proj.weight", Role::mlp_up, {Dim::ffn, Dim::hidden}, When::dense_layer, kDenseUp},
    {"model.layers.*.mlp.down_proj.weight", Role::mlp_down, {Dim::hidden, Dim::ffn}, When::dense_layer, kDenseDown},
};
constexpr auto kMixture = routed_rows(kRouter, kGate, kUp, kDown);
constexpr Row kShared[] = {
    {"model.layers.*.mlp.shared_experts.gate_up_proj.weight",
     Role::shared_gate_up,
     {Dim::shared_gate_up, Dim::hidden},
     When::shared_expert},
    {"model.layers.*.mlp.shared_experts.down_proj.weight", Role::shared_down, {Dim::hidden, Dim::shared_ffn}, When::shared_expert},
};
constexpr Row kBiases[] = {
    {"model.layers.*.self_attn.q_proj.bias", Role::bias, {Dim::q}, When::attention_layer_bias},
    {"model.layers.*.self_attn.k_proj.bias", Role::bias, {Dim::kv}, When::attention_layer_bias},
    {"model.layers.*.self_attn.v_proj.bias", Role::bias, {Dim::kv}, When::attention_layer_bias},
    {"model.layers.*.self_attn.o_proj.bias", Role::bias, {Dim::hidden}, When::attention_layer_bias},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, mamba::kMixer, blocks::kSomeAttention, kBiases,      kMlp,
                             kMixture,           kShared,       blocks::kTwoNorms,      blocks::kHead};
constexpr std::string_view kTypes[] = {"granitemoehybrid"};
constexpr Rename kParts[] = {
    {"mamba.norm", "mamba.gated_norm"},
    {"shared_mlp.input_linear", "mlp.shared_experts.gate_up_proj"},
    {"shared_mlp.output_linear", "mlp.shared_experts.down_proj"},
};
constexpr ConfigDefault kDefaults[] = {
    {"rms_norm_eps", "1e-06"},       {"rope_theta", "10000.0"},      {"max_position_embeddings", "2048"},
    {"embedding_multiplier", "1.0"}, {"residual_multiplier", "1.0"}, {"logits_scaling", "1.0"},
    {"attention_multiplier", "1.0"}, {"attention_bias", "false"},    {"num_experts_per_tok", "2"},
    {"mamba_n_heads", "128"},        {"mamba_n_groups", "1"},        {"mamba_d_state", "256"},
    {"mamba_d_conv", "4"},           {"mamba_conv_bias", "true"},    {"mamba_proj_bias", "false"},
};

// As published configs name them.
Status write_layer_types(json::Value* text) {
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 32, 1, 10000));
  const json::Value* given = json::find(*text, "layer_types");
  if (given == nullptr) given = json::find(*text, "layers_block_type");
  json::Value types = json::Value::array();
  for (std::int64_t l = 0; given == nullptr && l < n_layers; ++l) types.push_back("mamba");
  for (std::size_t l = 0; given != nullptr && given->is_array() && l < given->size(); ++l) {
    const json::Value& type = (*given)[l];
    types.push_back(type == "linear_attention" ? json::Value("mamba") : type == "full_attention" ? json::Value("attention") : type);
  }
  (*text)["layer_types"] = std::move(types);  // whoever reads it checks it
  return {};
}

// "auto": heads of the inner size's share.
Status write_head_size(json::Value* text) {
  if (const json::Value* given = json::find(*text, "mamba_d_head"); given != nullptr && *given != "auto") return {};
  JANG_ASSIGN(const std::int64_t hidden, json::get_int(*text, "hidden_size", 0, 0, 1 << 20));
  JANG_ASSIGN(const std::int64_t expand, json::get_int(*text, "mamba_expand", 2, 1, 1 << 10));
  JANG_ASSIGN(const std::int64_t heads, json::get_int(*text, "mamba_n_heads", 128, 1, 1 << 14));
  const std::int64_t size = expand * hidden / heads;
  (*text)["mamba_d_head"] = size;
  return {};
}

Status edit(json::Value* text) {
  JANG_TRY(write_layer_types(text));
  JANG_TRY(write_head_size(text));
  JANG_TRY(mamba::write_step_limits(text));
  JANG_ASSIGN(const std::string position, json::get_string(*text, "position_embedding_type", ""));
  if (position != "rope") (*text)["position_embedding_type"] = "nope";  // some loaders turn where nothing stands, transformers does not
  if (!text->contains("num_local_experts")) (*text)["num_local_experts"] = 8;
  JANG_ASSIGN(const std::int64_t experts, json::get_int(*text, "num_local_experts", 0, 0, 4096));
  (*text)["num_local_experts"] = (*text)["num_experts"] = experts;
  if (experts == 0) {
    copy_key(text, "shared_intermediate_size", "intermediate_size");  // what the class reads, and what loaders may
  } else {
    copy_key(text, "intermediate_size", "moe_intermediate_size");
    copy_key(text, "shared_intermediate_size", "shared_expert_intermediate_size");
  }
  return flatten_rope(text);
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_TRY(kGranite.specify(text, config));
  JANG_TRY(mamba::check_activation(text, "hidden_act"));
  mamba::normalise_by_groups(config);
  const bool turns = text["position_embedding_type"] == "rope";
  for (LayerSpec& layer : config->layers) {
    if (auto* attention = std::get_if<AttentionSpec>(&layer.mixer); attention != nullptr && !turns) attention->rope = kNoRope;
    if (auto* experts = std::get_if<ExpertsSpec>(&layer.ffn); experts != nullptr) {
      experts->scoring = Scoring::softmax_of_chosen;
      if (!experts->shared) return {StatusCode::corrupt, "config.json: 'shared_intermediate_size' is missing"};
      experts->shared->gated = false;
      experts->shared->mlp.fused = true;
    }
  }
  return mamba::read_step_limits(text, config);
}

}  // namespace

constinit const Family kGraniteMoeHybrid{
    .name = "granitemoehybrid",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = kReadsMoe | kMayShareExpert | kReadsMamba,
    .traits = {.max_positions = 2048},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
