// SPDX-License-Identifier: Apache-2.0
// Mamba2 (arXiv 2405.21060) as transformers has it, Mamba-Codestral for one: every layer is one state space behind a norm. The written
// config also has the kinds of the layers as Nemotron-H's has them, and the inner size, which a loader demands and does not use.
#include "arch/families/mamba2.h"

#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/mamba.h"

namespace jang::arch {
namespace {

constexpr Row kNorm[] = {{"model.layers.*.input_layernorm.weight", Role::norm, {Dim::hidden}}};
constexpr Block kBlocks[] = {blocks::kEmbedding, mamba::kMixer, kNorm, blocks::kHead};
constexpr std::string_view kTypes[] = {"mamba2"};
constexpr Rename kPrefixes[] = {{"backbone.", "model."}, {"layers.", "model.layers."}, {"embeddings.", "model.embeddings."}};
constexpr Rename kParts[] = {
    {"embeddings", "embed_tokens"},       {"mixer.in_proj", "mamba.in_proj"},
    {"mixer.out_proj", "mamba.out_proj"}, {"mixer.conv1d", "mamba.conv1d"},
    {"mixer.A_log", "mamba.A_log"},       {"mixer.D", "mamba.D"},
    {"mixer.dt_bias", "mamba.dt_bias"},   {"mixer.norm", "mamba.gated_norm"},
    {"norm", "input_layernorm"},          {"norm_f", "norm"},
};
constexpr ConfigDefault kDefaults[] = {{"layer_norm_epsilon", "1e-05"}, {"time_step_rank", "\"auto\""}};
constexpr mamba::Number kNumbers[] = {{"num_heads", "mamba_n_heads", 128},
                                      {"head_dim", "mamba_d_head", 64},
                                      {"state_size", "mamba_d_state", 128},
                                      {"n_groups", "mamba_n_groups", 8},
                                      {"conv_kernel", "mamba_d_conv", 4}};

Status edit(json::Value* text) {
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 64, 1, 10000));
  (*text)["num_hidden_layers"] = n_layers;
  (*text)["hybrid_override_pattern"] = std::string(static_cast<std::size_t>(n_layers), 'M');
  mamba::name_numbers(kNumbers, text);
  JANG_ASSIGN(const std::int64_t heads, json::get_int(*text, "num_heads", 128, 1, 1 << 14));
  JANG_ASSIGN(const std::int64_t width, json::get_int(*text, "head_dim", 64, 1, 1 << 14));
  (*text)["intermediate_size"] = heads * width;
  mamba::name_biases(text);
  return mamba::write_step_limits(text);
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_TRY(mamba::check_activation(text, "hidden_act"));
  mamba::normalise_by_groups(config);
  return mamba::read_step_limits(text, config);
}

}  // namespace

constinit const Family kMamba2{
    .name = "mamba2",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = kPrefixes,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = kReadsMamba,
    .traits = {.norm_eps_key = "layer_norm_epsilon"},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
