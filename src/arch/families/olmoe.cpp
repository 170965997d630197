// SPDX-License-Identifier: Apache-2.0
// OLMoE: queries and keys are normalised over all their heads at once; routed experts in every layer, as wide as intermediate_size, whose
// weights are not divided by their sum unless the config says so. clip_qkv, which published models leave null, is not computed.
#include "arch/families/olmoe.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Row kNormsAndBiases[] = {
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::q}},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::kv}},
    {"model.layers.*.self_attn.q_proj.bias", Role::bias, {Dim::q}, When::attention_bias},
    {"model.layers.*.self_attn.k_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
    {"model.layers.*.self_attn.v_proj.bias", Role::bias, {Dim::kv}, When::attention_bias},
    {"model.layers.*.self_attn.o_proj.bias", Role::bias, {Dim::hidden}, When::attention_bias},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, kNormsAndBiases, blocks::kRoutedMlp, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"olmoe"};
constexpr ConfigDefault kDefaults[] = {
    {"num_experts_per_tok", "8"}, {"norm_topk_prob", "false"}, {"rms_norm_eps", "1e-05"}, {"rope_theta", "10000.0"}};

Status edit(json::Value* text) {
  alias_key(text, "num_local_experts", "num_experts");
  copy_key(text, "intermediate_size", "moe_intermediate_size");  // whatever stands there, its class does not read it
  return flatten_rope(text);
}

Status specify(const json::Value& text, DecoderConfig* /*config*/) {
  if (json::find(text, "clip_qkv") != nullptr) return {StatusCode::unsupported, "config.json: clip_qkv is not computed by the engine"};
  return {};
}

}  // namespace

constinit const Family kOlmoe{
    .name = "olmoe",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = kReadsMoe,
    .traits = {.qk_norm = true, .qk_norm_of_rows = true, .max_positions = 4096},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
