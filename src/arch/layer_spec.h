// SPDX-License-Identifier: Apache-2.0
// What one layer of a decoder computes, as numbers: a mixer of positions, a feed-forward, and where they are normalised. The shared code
// (decoder_config.cpp) fills a spec from the config and the traits of the family, and the family's own file has the last word on every
// field (Family::specify). Layers of one model may differ in all of it.
//
//   Norms::before          h = x + mixer(norm(x));        out = h + ffn(norm(h))
//   Norms::around          h = x + norm(mixer(norm(x)));  out = h + norm(ffn(norm(h)))
//   Norms::after           h = x + norm(mixer(x));        out = h + norm(ffn(h))
//   Norms::parallel        out = x + mixer(norm(x)) + ffn(norm(x)), one norm for both
//   Norms::parallel_apart  out = x + mixer(norm(x)) + ffn(norm(x)), a norm for each
//   Norms::single          out = x + mixer(norm(x)) or x + ffn(norm(x)): the layer has one block, and the other is absent
//
// The types have a place for more than is computed: a block refuses, when it is bound, the fields it has no kernel for (model/blocks/).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <variant>

namespace jang::arch {

// --- mixers

inline constexpr int kNoRope = -1;

// What the queries of position p are multiplied by (Llama 4, Ministral 3), so that long texts do not flatten the softmax; slope 0: nothing.
//   1 + slope ln(1 + floor((p + shift) / length))
struct QueryScale {
  float slope = 0;
  std::int64_t length = 1, shift = 0;
  bool operator==(const QueryScale&) const = default;
};

// How the maps of queries, keys and values lie in the model.
enum class QkvMaps : std::uint8_t {
  apart,    // q_proj, k_proj, v_proj
  stacked,  // qkv_proj: all queries, then all keys, then all values
  grouped,  // qkv_proj: for each key-value head its queries, its key, its value
};

// Softmax attention with grouped queries: query head h reads key-value head h / (n_heads / n_kv_heads).
struct AttentionSpec {
  std::int64_t n_heads = 0, n_kv_heads = 0;
  std::int64_t key_dim = 0, value_dim = 0;  // of one head: of queries and keys, of values
  float scale = 1, softcap = 0;             // a score is cap(scale * q . k); softcap 0: no cap
  bool qk_norm = false;                     // RMS norm over key_dim of queries and keys, before RoPE
  bool qk_norm_of_rows = false;             // that norm is over all heads of a row at once
  bool qk_norm_last = false;                // that norm comes after RoPE
  bool v_norm = false;                      // values are RMS-normalised too, without a gain
  bool k_is_v = false;                      // values are what k_proj gives, before its norm and RoPE: there is no v_proj
  bool qk_norm_plain = false;               // that norm has no weights
  QkvMaps maps = QkvMaps::apart;
  bool gated = false;       // q_proj gives, per head, a query and the sigmoid gate of its output
  bool sinks = false;       // a learned score per head in the softmax that has no value (gpt-oss)
  int kv_of = -1;           // layer whose keys and values are read, in the place of own ones; -1: own ones
  std::int64_t window = 0;  // positions visible, the own one included; 0: all
  std::int64_t chunk = 0;   // positions see nothing before the last multiple of this (Llama 4); 0: no such bound
  int rope = 0;             // index into DecoderConfig::ropes; kNoRope: positions do not turn anything
  QueryScale query_scale{};
  [[nodiscard]] std::int64_t q_size() const { return n_heads * key_dim; }
  [[nodiscard]] std::int64_t k_size() const { return n_kv_heads * key_dim; }
  [[nodiscard]] std::int64_t v_size() const { return n_kv_heads * value_dim; }
  [[nodiscard]] std::int64_t qkv_size() const { return q_size() + k_size() + v_size(); }
  [[nodiscard]] std::int64_t out_size() const { return n_heads * value_dim; }  // what o_proj reads; gates are of that size
  bool operator==(const AttentionSpec&) const = default;
};

// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): the keys and values of all heads are made of one latent c per position,
// beside one rotated key r that the heads share. Of a head h:
//
//   [c, r] = W_kva x, c normalised, r rotated;  [k_h, v_h] = W_kvb,h c;  [q_h, p_h] = W_q,h (x, or its own normalised latent), p_h rotated
//   score = scale * (q_h . k_h + p_h . r)
struct LatentSpec {
  std::int64_t n_heads = 0;
  std::int64_t q_rank = 0;                                 // values of the queries' latent; 0: they are made of x
  std::int64_t kv_rank = 0;                                // values of c
  std::int64_t nope_dim = 0, rope_dim = 0, value_dim = 0;  // of one head: of k_h, r, v_h
  float scale = 1, eps = 1e-6f;                            // eps: of the norms of latents
  bool interleaved = true;                                 // neighbours are rotated as pairs, not halves
  int rope = 0;                                            // index into DecoderConfig::ropes
  QueryScale query_scale{};
  [[nodiscard]] std::int64_t key_dim() const { return nope_dim + rope_dim; }
  [[nodiscard]] std::int64_t q_size() const { return n_heads * key_dim(); }
  [[nodiscard]] std::int64_t kv_size() const { return n_heads * (nope_dim + value_dim); }
  [[nodiscard]] std::int64_t out_size() const { return n_heads * value_dim; }
  [[nodiscard]] std::int64_t row() const { return rope_dim + kv_rank; }  // what is kept of a position: r, then c
  bool operator==(const LatentSpec&) const = default;
};

// Gated DeltaNet (arXiv 2412.06464): value head v reads key head v / (value_heads / key_heads).
struct DeltaSpec {
  std::int64_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0, conv_kernel = 0;
  bool interleaved = false;  // in_proj_qkvz and in_proj_ba, cut per key head; else in_proj_{qkv,z,b,a}
  [[nodiscard]] std::int64_t q_size() const { return key_heads * key_dim; }  // of all query heads, and of all key heads
  [[nodiscard]] std::int64_t v_size() const { return value_heads * value_dim; }
  [[nodiscard]] std::int64_t conv_channels() const { return 2 * q_size() + v_size(); }  // queries, keys, values
  bool operator==(const DeltaSpec&) const = default;
};

// Gated short convolution (LFM2): a causal depthwise convolution between two gates, all three made of x by one map.
//   [b, c, u] = W_in x;  out = W_out (c * conv(b * u))
struct ShortConvSpec {
  std::int64_t channels = 0, kernel = 0;  // values of b, of c and of u; positions that a value is made of
  bool operator==(const ShortConvSpec&) const = default;
};

// Mamba2 (arXiv 2405.21060): a selective state space behind a causal depthwise convolution with a SiLU, both made of x by one map. Head h
// reads B and C of group h / (heads / groups).
//   [z, u, dt] = W_in x;  [x', B, C] = silu(conv(u));  y = scan(x', B, C, dt);  out = W_out norm(y * silu(z)), or norm(y) * silu(z)
struct MambaSpec {
  std::int64_t heads = 0, head_dim = 0, groups = 1, state_dim = 0, conv_kernel = 0;
  std::int64_t norm_groups = 1;  // equal parts of a row that are normalised one by one; 0: there is no norm
  bool norm_first = false;       // the gate comes behind the norm
  float eps = 1e-5f;             // of that norm
  float least_step = 0, most_step = std::numeric_limits<float>::max();   // between which steps of time are held
  [[nodiscard]] std::int64_t inner() const { return heads * head_dim; }  // values of z, of x' and of y
  [[nodiscard]] std::int64_t conv_channels() const { return inner() + 2 * groups * state_dim; }
  [[nodiscard]] std::int64_t in_size() const { return inner() + conv_channels() + heads; }
  bool operator==(const MambaSpec&) const = default;
};

// With Norms::single, of a layer that is a feed-forward alone.
struct NoMixer {
  bool operator==(const NoMixer&) const = default;
};

// --- feed-forwards

// gelu: with the error function; gelu_tanh: approximated; relu2: max(x, 0)^2. swiglu_oai (gpt-oss): bounds gate and up at 7, takes
// gate * sigmoid(1.702 gate), and multiplies it by up + 1.
enum class Activation : std::uint8_t { silu, gelu_tanh, gelu, swiglu_oai, relu2 };

// W_down (act(W_gate x) * W_up x), or W_down act(W_up x) without gate
struct MlpSpec {
  std::int64_t ffn = 0;  // rows of gate and up
  Activation activation = Activation::silu;
  bool gated = true;
  bool fused = false;  // gate and up are one map gate_up_proj, gate first
  float clamp = 0;     // limit of what gate and up give before the activation, where that has none of its own; 0: none
  bool operator==(const MlpSpec&) const = default;
};

// How the logits of the router become weights of experts, before `norm_topk` and `weights_scale`.
enum class Scoring : std::uint8_t {
  softmax,            // over all experts; the largest are chosen
  softmax_of_chosen,  // over the logits of the chosen: weights that sum to one
  sigmoid,            // of each logit by itself (DeepSeek-V3)
};

// What a group of experts is chosen by.
enum class GroupScore : std::uint8_t {
  best_two,  // the sum of its two largest scores, the correction included (DeepSeek-V3)
  largest,   // its largest score (DeepSeek-V2)
};

// An expert that every token runs beside its chosen ones.
struct SharedExpert {
  MlpSpec mlp;
  bool gated = true;  // weighed by the sigmoid of a map of its own; else added as it is
  // Its component in canonical names: transformers has one with a gate, or several in one map without.
  [[nodiscard]] const char* name() const { return gated ? "shared_expert" : "shared_experts"; }
  bool operator==(const SharedExpert&) const = default;
};

struct ExpertsSpec {
  std::int64_t n_experts = 0, top_k = 0;
  MlpSpec expert;  // each routed one
  Scoring scoring = Scoring::softmax;
  bool norm_topk = false;                     // weights of the chosen experts are divided by their sum
  float weights_scale = 1;                    // then multiplied by this (routed_scaling_factor)
  std::int64_t n_groups = 1, top_groups = 1;  // experts are chosen from the best top_groups of n_groups equal groups (n_group, topk_group)
  GroupScore group_score = GroupScore::best_two;
  bool correction_bias = false;  // added to the scores for the choice only (e_score_correction_bias)
  bool expert_biases = false;    // every expert's maps have biases of their own
  bool weighs_inputs = false;    // the weight multiplies what an expert reads, not what it gives (Llama 4)
  std::optional<SharedExpert> shared{};
  bool operator==(const ExpertsSpec&) const = default;
};

// With Norms::single, of a layer that is a mixer alone.
struct NoFfn {
  bool operator==(const NoFfn&) const = default;
};

// A dense MLP and a mixture side by side (Gemma 4): each reads the hidden states through a norm of its own, what each writes is normalised
// before the two are added, and the router reads the hidden states normalised with a gain of its own, scaled. The weight of an expert is
// multiplied by a number of the expert.
//
//   out = norm(mlp(norm(x))) + norm(experts(norm(x); router(norm(x))))
struct MlpAndExpertsSpec {
  MlpSpec mlp;
  ExpertsSpec experts;
  float router_scale = 1;  // of what the router reads
  bool operator==(const MlpAndExpertsSpec&) const = default;
};

// What a layer adds of its part p of the model's per-layer inputs (DecoderConfig::layer_inputs):
//
//   h = x + norm(W_projection (act(W_gate x) * p))
struct LayerInputSpec {
  std::int64_t size = 0;  // values of p
  Activation activation = Activation::gelu_tanh;
  bool operator==(const LayerInputSpec&) const = default;
};

// --- layers

enum class Norms : std::uint8_t { before, around, after, parallel, parallel_apart, single };

struct LayerSpec {
  std::variant<AttentionSpec, DeltaSpec, LatentSpec, ShortConvSpec, MambaSpec, NoMixer> mixer;
  std::variant<MlpSpec, ExpertsSpec, MlpAndExpertsSpec, NoFfn> ffn;
  Norms norms = Norms::before;
  std::optional<LayerInputSpec> input{};  // behind the feed-forward
  bool scaled = false;                    // what the layer gives is multiplied by a number of the layer (layer_scalar)
  bool operator==(const LayerSpec&) const = default;
};

}  // namespace jang::arch
