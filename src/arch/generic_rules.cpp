// SPDX-License-Identifier: Apache-2.0
// The table of common component names. One row per spelling; the first row that fits decides. `within` narrows a name that means different
// things in different places ("dense" in attention is the output projection). Dense MLP roles become expert or shared-expert roles by the
// path they stand in.
#include "arch/generic_rules.h"

#include <algorithm>
#include <span>

#include "arch/path.h"

namespace jang::arch {
namespace {

using Path = std::vector<std::string_view>;

constexpr std::string_view kAttention[] = {"self_attn", "attn", "attention", "self_attention", "mixer_attn", "cross_attn"};
constexpr std::string_view kLinearAttention[] = {"linear_attn", "mamba", "mixer", "ssm", "delta_net"};
constexpr std::string_view kMlp[] = {"mlp", "ffn", "feed_forward", "block_sparse_moe", "moe", "mixer", "feedforward"};
constexpr std::string_view kExpertLists[] = {"experts", "local_experts", "expert"};
constexpr std::string_view kShared[] = {"shared_expert", "shared_experts", "shared_mlp"};
constexpr std::string_view kVision[] = {"visual",       "vision_tower", "vision_model", "vision_encoder", "multi_modal_projector",
                                        "mm_projector", "audio_tower",  "embed_vision", "embed_audio",    "vision_embedder"};
constexpr std::string_view kLayerLists[] = {"layers", "h", "blocks", "block", "layer"};

struct NameRow {
  std::string_view leaf;
  Role role;
  std::span<const std::string_view> within{};  // empty: anywhere
};

constexpr NameRow kNames[] = {
    {"embed_tokens", Role::embedding},
    {"embed_tokens_per_layer", Role::layer_embedding},  // Gemma 3n, and Gemma 4 where no table has it
    {"per_layer_model_projection", Role::layer_input},
    {"per_layer_input_gate", Role::layer_input},
    {"per_layer_projection", Role::layer_input},
    {"wte", Role::embedding},
    {"tok_embeddings", Role::embedding},
    {"word_embeddings", Role::embedding},
    {"embed_in", Role::embedding},
    {"embedding", Role::embedding},
    {"embeddings", Role::embedding},
    {"token_embeddings", Role::embedding},
    {"lm_head", Role::lm_head},
    {"embed_out", Role::lm_head},
    {"output", Role::lm_head},  // outside layers only, see role_of_leaf
    {"qkv_proj", Role::attn_qkv},
    {"Wqkv", Role::attn_qkv},
    {"c_attn", Role::attn_qkv},
    {"query_key_value", Role::attn_qkv},
    {"qkv", Role::attn_qkv},
    {"q_proj", Role::attn_q},
    {"wq", Role::attn_q},
    {"query", Role::attn_q},
    {"q_a_proj", Role::attn_q},
    {"q_b_proj", Role::attn_q},
    {"k_proj", Role::attn_k},
    {"wk", Role::attn_k},
    {"key", Role::attn_k},
    {"kv_a_proj_with_mqa", Role::attn_k},
    {"v_proj", Role::attn_v},
    {"wv", Role::attn_v},
    {"value", Role::attn_v},
    {"kv_b_proj", Role::attn_v},
    {"o_proj", Role::attn_o},
    {"wo", Role::attn_o},
    {"out_proj", Role::linear_attn_out, kLinearAttention},
    {"out_proj", Role::attn_o},
    {"dense", Role::attn_o, kAttention},
    {"c_proj", Role::attn_o, kAttention},
    {"in_proj_qkv", Role::linear_attn_qkv},
    {"in_proj_qkvz", Role::linear_attn_qkv},
    {"in_proj", Role::linear_attn_qkv, kLinearAttention},
    {"in_proj_z", Role::linear_attn_z},
    {"in_proj_a", Role::linear_attn_ab},
    {"in_proj_b", Role::linear_attn_ab},
    {"in_proj_ba", Role::linear_attn_ab},
    {"shared_expert_gate", Role::shared_router},
    {"router", Role::router},
    {"wg", Role::router, kMlp},
    {"gate", Role::router, kMlp},
    {"gate_up_proj", Role::mlp_gate_up},
    {"gate_and_up_proj", Role::mlp_gate_up},
    {"input_linear", Role::mlp_gate_up},
    {"gate_proj", Role::mlp_gate},
    {"w1", Role::mlp_gate},
    {"up_proj", Role::mlp_up},
    {"w3", Role::mlp_up},
    {"fc1", Role::mlp_up},
    {"fc_in", Role::mlp_up},
    {"c_fc", Role::mlp_up},
    {"dense_h_to_4h", Role::mlp_up},
    {"down_proj", Role::mlp_down},
    {"w2", Role::mlp_down},
    {"fc2", Role::mlp_down},
    {"output_linear", Role::mlp_down},
    {"fc_out", Role::mlp_down},
    {"c_proj", Role::mlp_down, kMlp},
    {"dense_4h_to_h", Role::mlp_down},
    {"conv1d", Role::conv},
};

struct Place {
  Role dense, expert, shared;
};
constexpr Place kPlaces[] = {
    {Role::mlp_gate, Role::expert_gate, Role::shared_gate},
    {Role::mlp_up, Role::expert_up, Role::shared_up},
    {Role::mlp_gate_up, Role::expert_gate_up, Role::shared_gate_up},
    {Role::mlp_down, Role::expert_down, Role::shared_down},
};

bool any_in(const Path& path, std::span<const std::string_view> names) {
  return std::any_of(path.begin(), path.end(), [&](std::string_view c) { return std::ranges::find(names, c) != names.end(); });
}

Role placed(Role role, const Path& path) {
  for (const Place& p : kPlaces) {
    if (p.dense != role) continue;
    if (any_in(path, kShared)) return p.shared;
    return any_in(path, kExpertLists) ? p.expert : role;
  }
  return role;
}

GenericMatch role_of_leaf(std::string_view leaf, const Path& path) {
  for (const NameRow& row : kNames) {
    if (row.leaf != leaf || (!row.within.empty() && !any_in(path, row.within))) continue;
    if (row.role == Role::lm_head && layer_of(path) >= 0) continue;
    return {placed(row.role, path), leaf};
  }
  return {};
}

// Parameters that are not the weight of a matrix.
GenericMatch small_parameter(std::string_view parameter) {
  if (parameter == "bias" || parameter == "e_score_correction_bias") return {Role::bias, parameter};
  if (parameter == "weight") return {Role::norm, parameter};
  return {Role::state, parameter};
}

}  // namespace

GenericMatch match_generic(const Path& path, std::size_t rank) {
  for (const std::string_view c : path)
    if (std::ranges::find(kVision, c) != std::end(kVision)) return {Role::vision, c};
  const std::string_view parameter = path.back();
  if (parameter == "bias") return {Role::bias, parameter};
  if (rank <= 1) return small_parameter(parameter);
  const bool named = parameter == "weight" && path.size() > 1;  // stacked experts may lack the ".weight"
  return role_of_leaf(named ? path[path.size() - 2] : parameter, path);
}

int layer_of(const Path& path) {
  for (std::size_t i = 0; i + 1 < path.size(); ++i)
    if (std::ranges::find(kLayerLists, path[i]) != std::end(kLayerLists) && component_number(path[i + 1]) >= 0)
      return component_number(path[i + 1]);
  return -1;
}

int expert_component(const Path& path) {
  for (std::size_t i = 0; i + 1 < path.size(); ++i)
    if (std::ranges::find(kExpertLists, path[i]) != std::end(kExpertLists) && component_number(path[i + 1]) >= 0)
      return static_cast<int>(i) + 1;
  return -1;
}

}  // namespace jang::arch
