// SPDX-License-Identifier: Apache-2.0
// Gemma 4, all of its sizes. Layers with a window and layers that see everything differ in the size of their heads, the number of
// key-value heads and the RoPE; values are normalised without a gain; scores are not scaled; what a layer gives is multiplied by a number
// of its own; norms are stored as they are. What some sizes have:
//
//   31B       keys of layers that see everything are their values too (attention_k_eq_v): one map, then norms of their own
//   26B-A4B   beside the MLP a mixture (enable_moe_block), each between norms of its own; the router reads the hidden states, normalised by
//             its scale / sqrt(hidden_size), and the weight of an expert is multiplied by a number of the expert
//   E2B, E4B  the last layers read the keys and values of earlier ones (num_kv_shared_layers), their MLP twice as wide
//             (use_double_wide_mlp); every layer adds what per-layer embeddings of the token tell it (hidden_size_per_layer_input)
//
// A config says what differs in layers that see everything under keys of its own, or layer by layer (per_layer_config, as transformers 5.24
// saves it), which loaders do not read. Published files hold keys of layers that read those of others; they are left out.
#include "arch/families/gemma4.h"

#include <fmt/format.h>

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Row kLayerTables[] = {
    {"model.embed_tokens_per_layer.weight", Role::layer_embedding, {Dim::layer_vocab, Dim::layer_inputs}, When::layer_inputs},
    {"model.per_layer_model_projection.weight", Role::layer_input, {Dim::layer_inputs, Dim::hidden}, When::layer_inputs},
    {"model.per_layer_projection_norm.weight", Role::norm, {Dim::layer_input}, When::layer_inputs},
};
constexpr Row kMaps[] = {
    {"model.layers.*.self_attn.q_proj.weight", Role::attn_q, {Dim::q, Dim::hidden}},
    {"model.layers.*.self_attn.k_proj.weight", Role::attn_k, {Dim::kv, Dim::hidden}, When::own_keys},
    {"model.layers.*.self_attn.v_proj.weight", Role::attn_v, {Dim::kv, Dim::hidden}, When::own_values},
    {"model.layers.*.self_attn.o_proj.weight", Role::attn_o, {Dim::hidden, Dim::q}},
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::head}},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::head}, When::own_keys},
    {"model.layers.*.mlp.gate_proj.weight", Role::mlp_gate, {Dim::ffn, Dim::hidden}},
    {"model.layers.*.mlp.up_proj.weight", Role::mlp_up, {Dim::ffn, Dim::hidden}},
    {"model.layers.*.mlp.down_proj.weight", Role::mlp_down, {Dim::hidden, Dim::ffn}},
};
// As published, as bundles have them, and one tensor each.
constexpr Form kGate[] = {{"model.layers.*.mlp.experts.gate_proj.weight"},
                          {"model.layers.*.experts.gate_up_proj", LayoutRule::first_half},
                          {"model.layers.*.mlp.experts.*.gate_proj.weight", LayoutRule::stack_experts}};
constexpr Form kUp[] = {{"model.layers.*.mlp.experts.up_proj.weight"},
                        {"model.layers.*.experts.gate_up_proj", LayoutRule::second_half},
                        {"model.layers.*.mlp.experts.*.up_proj.weight", LayoutRule::stack_experts}};
constexpr Form kDown[] = {{"model.layers.*.mlp.experts.down_proj.weight"},
                          {"model.layers.*.experts.down_proj"},
                          {"model.layers.*.mlp.experts.*.down_proj.weight", LayoutRule::stack_experts}};
constexpr Row kMixture[] = {
    {"model.layers.*.mlp.gate.weight", Role::router, {Dim::experts, Dim::hidden}, When::moe_layer},
    {"model.layers.*.mlp.gate.scale", Role::state, {Dim::hidden}, When::moe_layer},
    {"model.layers.*.mlp.gate.per_expert_scale", Role::state, {Dim::experts}, When::moe_layer},
    {"model.layers.*.mlp.experts.gate_proj.weight",
     Role::expert_gate,
     {Dim::experts, Dim::expert_ffn, Dim::hidden},
     When::moe_layer,
     kGate},
    {"model.layers.*.mlp.experts.up_proj.weight", Role::expert_up, {Dim::experts, Dim::expert_ffn, Dim::hidden}, When::moe_layer, kUp},
    {"model.layers.*.mlp.experts.down_proj.weight",
     Role::expert_down,
     {Dim::experts, Dim::hidden, Dim::expert_ffn},
     When::moe_layer,
     kDown},
    {"model.layers.*.post_feedforward_layernorm_1.weight", Role::norm, {Dim::hidden}, When::moe_layer},
    {"model.layers.*.pre_feedforward_layernorm_2.weight", Role::norm, {Dim::hidden}, When::moe_layer},
    {"model.layers.*.post_feedforward_layernorm_2.weight", Role::norm, {Dim::hidden}, When::moe_layer},
};
constexpr Row kLayerEnds[] = {
    {"model.layers.*.per_layer_input_gate.weight", Role::layer_input, {Dim::layer_input, Dim::hidden}, When::layer_inputs},
    {"model.layers.*.per_layer_projection.weight", Role::layer_input, {Dim::hidden, Dim::layer_input}, When::layer_inputs},
    {"model.layers.*.post_per_layer_input_norm.weight", Role::norm, {Dim::hidden}, When::layer_inputs},
    {"model.layers.*.layer_scalar", Role::state, {Dim::one}},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, kLayerTables, kMaps, kMixture, blocks::kFourNorms, kLayerEnds, blocks::kHead};

constexpr std::string_view kTextTypes[] = {"gemma4_text"};
constexpr std::string_view kTypes[] = {"gemma4"};
constexpr std::string_view kSwitches[] = {"attention_bias"};
constexpr Rename kParts[] = {
    {"router.proj", "mlp.gate"}, {"router.scale", "mlp.gate.scale"}, {"router.per_expert_scale", "mlp.gate.per_expert_scale"}};
constexpr Rename kPrefixes[] = {{"model.language_model.", "model."}, {"language_model.", ""}};
constexpr std::string_view kTowers[] = {"vision_tower",       "audio_tower",       "embed_vision",       "embed_audio",
                                        "model.vision_tower", "model.audio_tower", "model.embed_vision", "model.embed_audio"};

// transformers' defaults, where loaders have others.
constexpr ConfigDefault kDefaults[] = {
    {"vocab_size", "262144"},
    {"hidden_size", "2304"},
    {"intermediate_size", "9216"},
    {"num_hidden_layers", "30"},
    {"num_attention_heads", "8"},
    {"num_key_value_heads", "4"},
    {"head_dim", "256"},
    {"global_head_dim", "512"},
    {"sliding_window", "512"},
    {"rms_norm_eps", "1e-06"},
    {"max_position_embeddings", "131072"},
    {"final_logit_softcapping", "null"},
    {"hidden_size_per_layer_input", "256"},
    {"vocab_size_per_layer_input", "262144"},
    {"num_kv_shared_layers", "0"},
    {"use_double_wide_mlp", "false"},
    {"attention_k_eq_v", "false"},
    {"enable_moe_block", "false"},
    {"rope_parameters",
     R"({"full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0},
         "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})"},
};

constexpr Traits kTraits = {
    .activation_key = "hidden_activation",
    .activation = "gelu_pytorch_tanh",
    .scales_embedding = true,
    .norms = Norms::around,
    .qk_norm = true,
    .logit_softcap = true,
    .always_norm_topk = true,
    .theta = 1'000'000,
    .local_theta = 10'000,
    .window = WindowRule::pattern,
    .default_window = 512,
    .max_positions = 131072,
};

Status corrupt(std::string message) { return {StatusCode::corrupt, "config.json: " + std::move(message)}; }

// Five layers with a window, then one without; the last one never has one.
Status list_layer_types(json::Value* text) {
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 30, 1, 10000));
  json::Value& types = (*text)["layer_types"];
  if (types.is_null()) {
    types = json::Value::array();
    for (std::int64_t l = 0; l < n_layers; ++l) types.push_back((l + 1) % 6 != 0 ? "sliding_attention" : "full_attention");
  }
  if (!types.is_array() || types.size() != static_cast<std::size_t>(n_layers))
    return corrupt(fmt::format("layer_types must list the kind of each of the {} layers", n_layers));
  types.back() = "full_attention";
  return {};
}

// per_layer_config: layer number -> keys that differ there.
Status lift_layer_configs(json::Value* text) {
  const json::Value* given = json::find(*text, "per_layer_config");
  if (given == nullptr) return {};
  if (!given->is_object()) return corrupt("per_layer_config must be an object");
  const json::Value layers = *given;
  JANG_ASSIGN(const bool keys_are_values, json::get_bool(*text, "attention_k_eq_v", false));
  const Status other(StatusCode::unsupported,
                     "config.json: per_layer_config says more than head_dim and num_key_value_heads of all layers with full attention");
  const auto& types = (*text)["layer_types"];
  json::Value found;
  for (std::size_t l = 0; l < types.size(); ++l) {
    const json::Value* own = json::find(layers, std::to_string(l).c_str());
    const json::Value here = own != nullptr ? *own : json::Value::object();
    if (types[l] != "full_attention") {
      if (!here.empty()) return other;
      continue;
    }
    if (!here.is_object() || (!found.is_null() && found != here)) return other;
    found = here;
  }
  for (const auto& [key, value] : found.items())
    if (key != "head_dim" && (key != "num_key_value_heads" || !keys_are_values)) return other;
  json::Value head = 256;  // whoever reads it checks it
  for (const json::Value* place : {static_cast<const json::Value*>(text), static_cast<const json::Value*>(&found)})
    if (const json::Value* value = json::find(*place, "head_dim")) head = *value;
  (*text)["global_head_dim"] = head;
  if (const json::Value* heads = json::find(found, "num_key_value_heads")) (*text)["num_global_key_value_heads"] = *heads;
  return {};
}

Status edit(json::Value* text) {
  JANG_TRY(list_layer_types(text));
  JANG_TRY(lift_layer_configs(text));
  alias_key(text, "top_k_experts", "num_experts_per_tok");
  return {};
}

Status specify(const json::Value& /*text*/, DecoderConfig* config) {
  for (LayerSpec& layer : config->layers) {
    auto& attention = std::get<AttentionSpec>(layer.mixer);
    attention.scale = 1;
    attention.v_norm = true;
    layer.scaled = true;
  }
  return {};
}

}  // namespace

constinit const Family kGemma4Text{
    .name = "gemma4_text",
    .model_types = kTextTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = kReadsMoe | kReadsLayerKinds,
    .tied_by_default = true,
    .traits = kTraits,
    .edit = edit,
    .specify = specify,
};

constinit const Family kGemma4{
    .name = "gemma4",
    .model_types = kTypes,
    .blocks = kBlocks,
    .towers = kTowers,
    .prefixes = kPrefixes,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = kReadsMoe | kReadsLayerKinds,
    .text_config = true,
    .tied_by_default = true,
    .traits = kTraits,
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
