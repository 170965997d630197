// SPDX-License-Identifier: Apache-2.0
// Helium: llama that rotates pairs of neighbours. o_proj has no bias, and is of hidden_size on both sides.
#include "arch/families/helium.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"

namespace jang::arch {
namespace {

constexpr Row kSquareAttention[] = {
    {"model.layers.*.self_attn.q_proj.weight", Role::attn_q, {Dim::q, Dim::hidden}},
    {"model.layers.*.self_attn.k_proj.weight", Role::attn_k, {Dim::kv, Dim::hidden}},
    {"model.layers.*.self_attn.v_proj.weight", Role::attn_v, {Dim::kv, Dim::hidden}},
    {"model.layers.*.self_attn.o_proj.weight", Role::attn_o, {Dim::hidden, Dim::hidden}},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, kSquareAttention,  blocks::kQkvBiases, blocks::kDenseMlp,
                             blocks::kMlpBiases, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"helium"};
constexpr ConfigDefault kDefaults[] = {{"rms_norm_eps", "1e-08"},   {"rope_theta", "100000.0"},   {"max_position_embeddings", "4096"},
                                       {"attention_bias", "false"}, {"mlp_bias", "false"},        {"head_dim", "128"},
                                       {"hidden_act", "\"silu\""},  {"num_key_value_heads", "20"}};

}  // namespace

constinit const Family kHelium{
    .name = "helium",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .traits = {.interleaved_rope = true, .theta = 100000, .max_positions = 4096},
    .edit = flatten_rope,
};

}  // namespace jang::arch
