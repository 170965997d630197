// SPDX-License-Identifier: Apache-2.0
// Nemotron-H and Nemotron 3 (NVIDIA): every layer is one block behind one norm: Mamba2 with a norm by groups, attention without RoPE, an
// MLP that squares the ReLU, or a mixture of such MLPs routed as DeepSeek-V3's. The kinds are a list of names in new configs and a string
// in published ones, which is written as well. Steps are held from time_step_min on, whatever time_step_limit says.
#include "arch/families/nemotron_h.h"

#include <fmt/format.h>

#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/deepseek_moe.h"
#include "arch/families/mamba.h"

namespace jang::arch {
namespace {

constexpr Form kUp[] = {
    {"model.layers.*.mlp.experts.up_proj.weight"},
    {"model.layers.*.mlp.experts.up_proj"},
    {"model.layers.*.mlp.experts.*.up_proj.weight", LayoutRule::stack_experts},
};
constexpr Row kFeedForward[] = {
    {"model.layers.*.mlp.up_proj.weight", Role::mlp_up, {Dim::ffn, Dim::hidden}, When::dense_layer},
    {"model.layers.*.mlp.down_proj.weight", Role::mlp_down, {Dim::hidden, Dim::ffn}, When::dense_layer},
    {"model.layers.*.mlp.gate.weight", Role::router, {Dim::experts, Dim::hidden}, When::moe_layer},
    {"model.layers.*.mlp.experts.up_proj.weight", Role::expert_up, {Dim::experts, Dim::expert_ffn, Dim::hidden}, When::moe_layer, kUp},
    {"model.layers.*.mlp.experts.down_proj.weight",
     Role::expert_down,
     {Dim::experts, Dim::hidden, Dim::expert_ffn},
     When::moe_layer,
     blocks::kExpertDown},
    {"model.layers.*.mlp.shared_experts.up_proj.weight", Role::shared_up, {Dim::shared_ffn, Dim::hidden}, When::shared_expert},
    {"model.layers.*.mlp.shared_experts.down_proj.weight", Role::shared_down, {Dim::hidden, Dim::shared_ffn}, When::shared_expert},
};
constexpr Block kBlocks[] = {blocks::kEmbedding,        mamba::kMixer,    blocks::kSomeAttention, kFeedForward,
                             deepseek_moe::kCorrection, blocks::kOneNorm, blocks::kHead};
constexpr std::string_view kTypes[] = {"nemotron_h"};
constexpr std::string_view kSwitches[] = {"moe_latent_size", "attention_bias", "mlp_bias"};
constexpr Drop kDrops[] = {{"mtp", "", "multi-token-prediction head: the decoder has none"}};
constexpr Rename kPrefixes[] = {{"backbone.", "model."}, {"layers.", "model.layers."}, {"embeddings.", "model.embeddings."}};
constexpr Rename kParts[] = {
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
    {"mixer.experts", "mlp.experts"},
    {"mixer.shared_experts", "mlp.shared_experts"},
    {"norm", "input_layernorm"},
    {"norm_f", "norm"},
};
constexpr ConfigDefault kDefaults[] = {
    {"num_attention_heads", "32"},
    {"num_key_value_heads", "8"},
    {"head_dim", "128"},
    {"intermediate_size", "21504"},
    {"max_position_embeddings", "4096"},
    {"layer_norm_epsilon", "1e-05"},
    {"attention_bias", "false"},
    {"mlp_bias", "false"},
    {"n_shared_experts", "1"},
    {"num_experts_per_tok", "2"},
    {"norm_topk_prob", "true"},
    {"routed_scaling_factor", "1.0"},
    {"n_group", "1"},
    {"topk_group", "1"},
};
constexpr mamba::Number kNumbers[] = {{"mamba_num_heads", "mamba_n_heads", 128},
                                      {"mamba_head_dim", "mamba_d_head", 64},
                                      {"ssm_state_size", "mamba_d_state", 128},
                                      {"n_groups", "mamba_n_groups", 8},
                                      {"conv_kernel", "mamba_d_conv", 4}};

// The character of a kind by its name; 0: there is no such kind.
char letter_of(const json::Value& name) {
  constexpr std::pair<const char*, char> kLetters[] = {
      {"mamba", 'M'}, {"linear_attention", 'M'}, {"attention", '*'}, {"full_attention", '*'}, {"mlp", '-'}, {"moe", 'E'}};
  for (const auto& [kind, letter] : kLetters)
    if (name == kind) return letter;
  return 0;
}

// hybrid_override_pattern and num_hidden_layers, of the list of kinds where there is one: transformers reads the string only without it.
Status write_pattern(json::Value* text) {
  constexpr const char* kPattern = "hybrid_override_pattern";
  const json::Value* list = json::find(*text, "layers_block_type");
  if (list == nullptr) list = json::find(*text, "layer_types");
  if (list != nullptr) {
    std::string letters;
    for (std::size_t l = 0; list->is_array() && l < list->size(); ++l)
      if (const char letter = letter_of((*list)[l]); letter != 0) letters += letter;
    if (!list->is_array() || letters.size() != list->size())
      return {StatusCode::corrupt, "config.json: layers_block_type must list mamba, attention, mlp and moe layers"};
    (*text)[kPattern] = letters;
  }
  if (const json::Value* listed = json::find(*text, kPattern); listed != nullptr && listed->is_array()) {  // of characters
    std::string letters;
    for (const json::Value& letter : *listed) letters += letter.is_string() ? letter.get<std::string>() : "?";
    (*text)[kPattern] = letters;
  }
  const json::Value* pattern = json::find(*text, kPattern);
  if (pattern == nullptr || !pattern->is_string() || pattern->get<std::string>().empty())
    return {StatusCode::corrupt, "config.json: neither layers_block_type nor hybrid_override_pattern says what the layers are"};
  const auto n_layers = static_cast<std::int64_t>(pattern->get<std::string>().size());
  (*text)["num_hidden_layers"] = n_layers;
  return {};
}

Status edit(json::Value* text) {
  JANG_TRY(write_pattern(text));
  mamba::name_numbers(kNumbers, text);
  mamba::name_biases(text);
  copy_key(text, "n_routed_experts", "num_experts");
  copy_key(text, "moe_shared_expert_intermediate_size", "shared_expert_intermediate_size");
  JANG_ASSIGN(const double least, json::get_number(*text, "time_step_min", 0.001));
  if (!(least >= 0) || least > 1e6) return {StatusCode::corrupt, fmt::format("config.json: 'time_step_min' is {}", least)};
  mamba::write_least_step(least, text);
  return {};
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_TRY(mamba::check_activation(text, "mamba_hidden_act"));
  JANG_TRY(deepseek_moe::specify(text, config));
  mamba::normalise_by_groups(config);
  for (LayerSpec& layer : config->layers)
    if (auto* attention = std::get_if<AttentionSpec>(&layer.mixer); attention != nullptr) attention->rope = kNoRope;
  return mamba::read_step_limits(text, config);
}

}  // namespace

constinit const Family kNemotronH{
    .name = "nemotron_h",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .drops = kDrops,
    .prefixes = kPrefixes,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = kReadsMoe | kMayShareExpert | kReadsMamba,
    .traits = {.activation_key = "mlp_hidden_act",
               .activation = "relu2",
               .norm_eps_key = "layer_norm_epsilon",
               .gated_mlp = false,
               .max_positions = 4096},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
