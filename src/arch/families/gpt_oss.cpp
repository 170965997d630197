// SPDX-License-Identifier: Apache-2.0
// gpt-oss: every second layer sees a window, the first one does; every head has a sink, a learned score in its softmax that no value
// belongs to; every map has biases. Every layer is a mixture as wide as intermediate_size, whose weights are the softmax of the chosen
// logits and whose SwiGLU is bounded (Activation::swiglu_oai). Files have its experts in mxfp4 or transposed, gate and up in turns: both
// are brought to the rows here when a checkpoint is opened.
#include "arch/families/gpt_oss.h"

#include <fmt/format.h>

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch {
namespace {

constexpr Row kSinks[] = {{"model.layers.*.self_attn.sinks", Role::bias, {Dim::heads}}};
// Stacked, as files of the model have them once they are opened; one tensor each in directories for engines.
constexpr Form kGate[] = {{"model.layers.*.mlp.experts.gate_proj.weight"},
                          {"model.layers.*.mlp.experts.*.gate_proj.weight", LayoutRule::stack_experts}};
constexpr Form kUp[] = {{"model.layers.*.mlp.experts.up_proj.weight"},
                        {"model.layers.*.mlp.experts.*.up_proj.weight", LayoutRule::stack_experts}};
constexpr Form kDown[] = {{"model.layers.*.mlp.experts.down_proj.weight"},
                          {"model.layers.*.mlp.experts.*.down_proj.weight", LayoutRule::stack_experts}};
constexpr Row kMixture[] = {
    {"model.layers.*.mlp.gate.weight", Role::router, {Dim::experts, Dim::hidden}},
    {"model.layers.*.mlp.gate.bias", Role::bias, {Dim::experts}},
    {"model.layers.*.mlp.experts.gate_proj.weight", Role::expert_gate, {Dim::experts, Dim::expert_ffn, Dim::hidden}, When::always, kGate},
    {"model.layers.*.mlp.experts.gate_proj.bias", Role::bias, {Dim::experts, Dim::expert_ffn}},
    {"model.layers.*.mlp.experts.up_proj.weight", Role::expert_up, {Dim::experts, Dim::expert_ffn, Dim::hidden}, When::always, kUp},
    {"model.layers.*.mlp.experts.up_proj.bias", Role::bias, {Dim::experts, Dim::expert_ffn}},
    {"model.layers.*.mlp.experts.down_proj.weight", Role::expert_down, {Dim::experts, Dim::hidden, Dim::expert_ffn}, When::always, kDown},
    {"model.layers.*.mlp.experts.down_proj.bias", Role::bias, {Dim::experts, Dim::hidden}},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, blocks::kAttentionBiases, kSinks, kMixture,
                             blocks::kTwoNorms,  blocks::kHead};
constexpr std::string_view kTypes[] = {"gpt_oss"};
constexpr Rename kParts[] = {{"mlp.router", "mlp.gate"}};
constexpr ConfigDefault kDefaults[] = {
    {"num_experts_per_tok", "4"}, {"num_key_value_heads", "8"}, {"head_dim", "64"},        {"rms_norm_eps", "1e-05"},
    {"rope_theta", "150000.0"},   {"attention_bias", "true"},   {"sliding_window", "128"},
};
constexpr std::string_view kRope =
    R"({"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false,
        "original_max_position_embeddings": 4096})";

// A config without RoPE means the published one.
Status edit(json::Value* text) {
  alias_key(text, "num_local_experts", "num_experts");
  copy_key(text, "intermediate_size", "moe_intermediate_size");  // whatever stands there, its class does not read it
  if (json::find(*text, "rope_scaling") == nullptr && json::find(*text, "rope_parameters") == nullptr)
    (*text)["rope_scaling"] = json::Value::parse(kRope);
  return flatten_rope(text);
}

Status specify(const json::Value& text, DecoderConfig* config) {
  for (const auto& [key, computed] : {std::pair{"swiglu_limit", 7.0}, {"swiglu_alpha", 1.702}}) {
    JANG_ASSIGN(const double value, json::get_number(text, key, computed));
    if (value != computed)
      return {StatusCode::unsupported, fmt::format("config.json: '{}' is {}, the engine computes {} only", key, value, computed)};
  }
  for (LayerSpec& layer : config->layers) {
    std::get<AttentionSpec>(layer.mixer).sinks = true;
    auto& experts = std::get<ExpertsSpec>(layer.ffn);
    experts.scoring = Scoring::softmax_of_chosen;
    experts.norm_topk = false;
    experts.expert_biases = true;
    experts.expert.activation = Activation::swiglu_oai;
  }
  return {};
}

}  // namespace

constinit const Family kGptOss{
    .name = "gpt_oss",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = kReadsMoe,
    .traits = {.theta = 150'000, .window = WindowRule::pattern, .default_window = 128, .window_period = 2, .max_positions = 131072},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
