// SPDX-License-Identifier: Apache-2.0
// Everything the graph of a decoder needs to know, as checked numbers: sizes, the kind of every layer, constants of the formulas. Read from
// the config of a described model; what a class does that no config says stands in the traits of its family (family.h).
//
//   layer:  h = x + mixer(norm(x));  out = h + mlp(norm(h)),  mixer = softmax attention or gated delta rule
//   with four_norms both branches are normalised once more before they are added
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "arch/rope.h"
#include "jang/status.h"

namespace jang::arch {

enum class Activation : std::uint8_t { silu, gelu_tanh };
enum class LayerKind : std::uint8_t { full_attention, sliding_attention, gated_delta };

struct MoeConfig {
  std::int64_t n_experts = 0;  // 0: no sparse layer
  std::int64_t top_k = 0;
  std::int64_t ffn = 0;         // of one routed expert
  std::int64_t shared_ffn = 0;  // of the shared expert with its sigmoid gate; 0: none
  bool norm_topk = false;       // weights of the chosen experts are divided by their sum (softmax is over all experts, before the choice)
};

// Gated DeltaNet (arXiv 2412.06464): value head v reads key head v / (value_heads / key_heads).
struct DeltaConfig {
  std::int64_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0, conv_kernel = 0;
  bool interleaved = false;  // in_proj_qkvz and in_proj_ba, cut per key head; else in_proj_{qkv,z,b,a}
  [[nodiscard]] std::int64_t q_size() const { return key_heads * key_dim; }  // of all query heads, and of all key heads
  [[nodiscard]] std::int64_t v_size() const { return value_heads * value_dim; }
  [[nodiscard]] std::int64_t conv_channels() const { return 2 * q_size() + v_size(); }  // queries, keys, values
};

struct DecoderConfig {
  std::string family;

  std::int64_t hidden = 0, vocab = 0, ffn = 0;  // ffn: of dense layers, 0 when all are sparse
  std::int64_t n_heads = 0, n_kv_heads = 0, head_dim = 0;
  std::int64_t max_positions = 0;  // trained context; nothing breaks beyond it but quality
  bool tied = false;               // the embedding is the output head

  float norm_eps = 0, norm_offset = 0;  // a norm multiplies by weight + norm_offset
  Activation activation = Activation::silu;
  float embedding_scale = 1;
  bool four_norms = false;  // norms behind attention and MLP too

  float attention_scale = 1;
  float attention_softcap = 0, logit_softcap = 0;  // 0: none
  bool qk_norm = false;                            // RMS norm over head_dim of queries and keys, before RoPE
  bool gated_attention = false;                    // q_proj gives query and sigmoid gate per head
  std::int64_t window = 0;                         // of sliding layers: positions visible, the own one included
  Rope rope, local_rope;                           // of full and sliding layers

  std::vector<LayerKind> layers;
  std::vector<bool> sparse;  // by layer: routed experts instead of one MLP
  MoeConfig moe;
  DeltaConfig delta;

  [[nodiscard]] int n_layers() const { return static_cast<int>(layers.size()); }
  [[nodiscard]] const Rope& rope_of(LayerKind kind) const { return kind == LayerKind::sliding_attention ? local_rope : rope; }
  [[nodiscard]] bool has_delta() const { return delta.value_heads > 0; }
};

// `described`: of arch::describe. Errors: unsupported (a family nobody listed; an activation or RoPE type no kernel has), corrupt (a number
// out of range), each naming the key.
[[nodiscard]] Result<DecoderConfig> decoder_config(const Model& described);

}  // namespace jang::arch
