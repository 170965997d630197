// SPDX-License-Identifier: Apache-2.0
// The vocabulary of the family tables. A family is data: its parameters as rows (canonical name, role, shape, where it occurs, how sources
// spell it) plus the few config edits that bring its numbers to one spelling. The code that walks the rows is shared (bind.cpp).
//
// In names "*" stands for the layer number, a second "*" for the expert number. Names are canonical, those of the bare decoder in
// transformers: a source's own prefix is taken off first (Family::prefixes).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.h"
#include "arch/layer_spec.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::arch {

struct DecoderConfig;  // decoder_config.h

// A dimension by its meaning; the number comes from the config (geometry.cpp).
enum class Dim : std::uint8_t {
  none,  // no such dimension: ends a shape of lower rank
  one,
  hidden,       // hidden_size
  vocab,        // vocab_size
  q,            // num_attention_heads * head_dim
  q_gated,      // 2 q: queries and their output gates, interleaved per head
  kv,           // num_key_value_heads * head_dim
  qkv,          // q + 2 kv
  head,         // head_dim
  ffn,          // intermediate_size
  gate_up,      // 2 ffn
  experts,      // num_experts
  expert_ffn,   // moe_intermediate_size
  shared_ffn,   // shared_expert_intermediate_size
  delta_qkv,    // Gated DeltaNet: 2 key heads * key dim + value heads * value dim
  delta_v,      // value heads * value dim
  delta_heads,  // value heads
  delta_key_heads,
  delta_head_k,  // key head dim
  delta_head_v,  // value head dim
  delta_qkvz,    // delta_qkv and the output gates of delta_v, interleaved per key head
  delta_ba,      // 2 value heads, interleaved per key head
  conv_kernel,
  mamba_in,     // Mamba2: what its one map makes: gates, conv_channels, steps
  mamba_conv,   // channels of its convolution: values, B and C of all groups
  mamba_inner,  // heads * values of one
  mamba_heads,
  shared_gate_up,  // 2 shared_ffn
  conv_in,         // 3 hidden: what a gated short convolution is made of
  q_rank,          // latent attention: q_lora_rank
  kv_rank,         // kv_lora_rank
  kv_latent,       // kv_lora_rank + qk_rope_head_dim
  latent_q,        // heads * (qk_nope_head_dim + qk_rope_head_dim)
  latent_kv,       // heads * (qk_nope_head_dim + v_head_dim)
  latent_out,      // heads * v_head_dim
  nope_head,       // qk_nope_head_dim
  value_head,      // v_head_dim; the rotated part is `head`
  heads,           // num_attention_heads
  // Per-layer inputs: vocab_size_per_layer_input, hidden_size_per_layer_input, and that times num_hidden_layers.
  layer_vocab,
  layer_input,
  layer_inputs,
  n_dims,
};

// Where a row occurs.
enum class When : std::uint8_t {
  always,
  untied,                // only with an output head of its own
  attention_bias,        // config: attention_bias
  qk_norm,               // config: use_qk_norm
  attention_out_bias,    // config: attention_out_bias
  mlp_bias,              // config: mlp_bias
  dense_layer,           // layers with one MLP
  moe_layer,             // layers with routed experts
  shared_expert,         // those of them with a shared expert
  corrected_router,      // those of them when the config says use_expert_bias
  delta_layer,           // layers with linear attention
  conv_layer,            // layers with a gated short convolution
  mamba_layer,           // layers with a state space of Mamba2
  mamba_conv_bias,       // those of them whose convolution has a bias: config: mamba_conv_bias
  mamba_bias,            // and whose maps have biases: config: mamba_proj_bias
  attention_layer,       // layers with softmax attention
  attention_layer_bias,  // the same, when the config says attention_bias
  latent_queries,        // latent attention whose queries have a latent too
  direct_queries,        // latent attention without one
  latent_queries_bias,   // the first, when the config says attention_bias
  own_keys,              // layers that do not share the keys and values of an earlier one
  own_values,            // those of them whose values are not their keys
  layer_inputs,          // models with per-layer inputs
};

enum class LayoutRule : std::uint8_t {
  whole,          // one source tensor of the row's shape
  stack_experts,  // one 2-D tensor per expert, in order, makes the row's [E, out, in]
  first_half,     // rows [0, out) of every expert of a fused [E, 2 out, in]
  second_half,    // rows [out, 2 out)
};

// One way a source may spell a row. The first form whose tensor exists is taken; a last form of stack_experts is taken when no other is.
struct Form {
  std::string_view name;
  LayoutRule layout = LayoutRule::whole;
};

// Published as w - 1, where the model multiplies by w: conversion adds the one, unless the checkpoint is a converted copy that holds w
// already (SourceFacts::plain_norms). Where the target's class adds the one itself, Traits::norm_offset serves instead.
inline constexpr std::uint8_t kZeroCentred = 1;
inline constexpr std::uint8_t kKeepDtype = 2;  // never cast

// One parameter of the model. There are no optional rows: the config decides (When), because loaders are strict.
struct Row {
  std::string_view name;
  Role role;
  std::array<Dim, 3> shape;
  When when = When::always;
  std::span<const Form> forms{};  // in place of `name`, so `name` is one of them; empty: the source calls it `name` and has the row's shape
  std::uint8_t flags = 0;
};
using Block = std::span<const Row>;

// Source tensors left out: everything under `prefix`, or everything that ends with `suffix`.
struct Drop {
  std::string_view prefix, suffix, reason;
};

struct Rename {
  std::string_view from, to;  // of the beginning of a name (`from` ends with a dot), or of a part of it
};

// A config key that loaders demand or default differently, with the value the source's own class would use. Written when absent.
struct ConfigDefault {
  std::string_view key, literal;  // literal: JSON text
};

// Groups of config numbers a family has.
inline constexpr std::uint16_t kReadsMoe = 1, kReadsSharedExpert = 2, kReadsDelta = 4, kReadsSparseStep = 8;
inline constexpr std::uint16_t kReadsLatent = 32;
inline constexpr std::uint16_t kReadsShortConv = 64;
inline constexpr std::uint16_t kReadsMamba = 128;  // and the kind of every layer
// Gemma 4: sizes by the kind of a layer, shared keys and values, per-layer inputs
inline constexpr std::uint16_t kReadsLayerKinds = 512;
inline constexpr std::uint16_t kMayShareExpert = 16;  // kReadsSharedExpert where the config names one

// Which layers see only the last `sliding_window` positions.
enum class WindowRule : std::uint8_t {
  none,      // all layers see everything
  always,    // every layer, unless sliding_window is null
  flagged,   // every layer when use_sliding_window
  by_layer,  // use_sliding_window and layer_types, or else the layers from max_window_layers on
  pattern,   // layer_types, or else all but every sliding_window_pattern-th (Traits::window_period where that is absent)
};

// What the family's class computes and no config says; keys that only some classes read, with the values their classes assume.
struct Traits {
  std::string_view activation_key = "hidden_act", activation = "silu";
  std::string_view norm_eps_key = "rms_norm_eps";
  float norm_offset = 0;          // norms multiply by weight + offset (bundle's weights)
  bool centred_norms = false;     // LayerNorm, not RMS norm
  bool scales_embedding = false;  // by sqrt(hidden_size)
  Norms norms = Norms::before;
  QkvMaps qkv = QkvMaps::apart;
  bool gated_mlp = true, fused_mlp = false;  // as MlpSpec's gated and fused
  bool qk_norm = false, qk_norm_of_rows = false, qk_norm_last = false;
  bool gated_attention = false;        // q_proj carries sigmoid gates
  bool query_pre_attn_scalar = false;  // attention scale is its -1/2 power, not head_dim's
  bool attention_softcap = false;      // applies attn_logit_softcapping
  bool logit_softcap = false;          // applies final_logit_softcapping
  bool always_norm_topk = false;       // of chosen experts, whatever norm_topk_prob says
  bool delta_interleaved = false;      // linear attention projections fused per key head
  bool interleaved_rope = false;       // pairs of neighbours
  bool alpha_rope = false;             // RoPE type "dynamic" with an alpha stretches theta once and for all
  bool reads_partial_rotary = false;
  double partial_rotary = 1;
  double theta = 10000, local_theta = 0;  // local: RoPE of sliding layers; 0: they share the one RoPE
  WindowRule window = WindowRule::none;
  std::int64_t default_window = 4096, window_period = 6;
  std::int64_t max_positions = 32768;
};

struct Family {
  std::string_view name;
  std::span<const std::string_view> model_types;
  std::span<const std::string_view> text_types{};  // of text_config, where the wrapper may hold other models too; empty: any
  // Switches of the config (true or false) that no row follows: a model with one of them on is described by common names, and does not run.
  std::span<const std::string_view> unlisted_switches{};
  std::span<const Block> blocks;  // in the order of the model; rows with a layer number are contiguous
  std::span<const Drop> drops{};
  std::span<const std::string_view> towers{};  // paths, behind the prefixes, of what is no part of the text model: Role::vision
  std::span<const Rename> prefixes{};
  // Parts of names, one or more whole components, as the model is published and as they are canonical. In order, each where it occurs.
  std::span<const Rename> parts{};
  std::span<const ConfigDefault> defaults{};
  std::uint16_t reads = 0;
  bool text_config = false;  // the language model's numbers may sit in "text_config"
  // A component of names that only copies of another spelling have, which no row can read: they are described by common names.
  std::string_view foreign{};
  bool more_layers = false;      // checkpoints hold layers beyond num_hidden_layers, which predict more tokens: left out
  bool tied_by_default = false;  // embedding and head are one without a head, or where the config does not say otherwise
  Traits traits{};
  // Edits the (text) config before its numbers are read. May be null.
  Status (*edit)(json::Value* text) = nullptr;
  // Edits what the shared code has made of the config and the traits, for classes that compute what neither says: any field of any layer
  // (layer_spec.h), RoPEs, numbers of the model. The result is checked. May be null.
  Status (*specify)(const json::Value& text, DecoderConfig* config) = nullptr;
};

}  // namespace jang::arch
