// SPDX-License-Identifier: Apache-2.0
// The numbers of a config as dimensions.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "arch/family.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::arch {

// The one block of a layer of models whose layers have one (Norms::single).
enum class LayerKind : std::uint8_t { mamba, attention, dense, moe };

// Everything the config says about sizes, range checked.
struct Geometry {
  std::array<std::int64_t, static_cast<std::size_t>(Dim::n_dims)> sizes{};  // by Dim; 0 = not in this model
  int n_layers = 0, n_experts = 0;
  std::int64_t n_heads = 0, n_kv_heads = 0;
  bool attention_bias = false, attention_out_bias = false, mlp_bias = false, qk_norm = false, tied = false;
  bool expert_bias = false;        // a correction of the scores by which experts are chosen, where that is a switch
  bool latent = false;             // latent attention in every layer
  std::vector<bool> conv_layers;   // by layer: has a gated short convolution; empty: none has
  std::vector<bool> mamba_layers;  // by layer: has a state space; empty: none has
  std::vector<LayerKind> kinds;    // by layer; empty: layers have a mixer and a feed-forward
  std::int64_t mamba_groups = 0;
  bool mamba_conv_bias = false, mamba_bias = false;
  int full_attention_interval = 0;  // every such layer has softmax attention, the others linear attention; 0: no linear attention
  int sparse_step = 1;              // every such layer is sparse
  std::vector<bool> dense_only;     // by layer: never sparse
  // Layers that see every position, where their heads have sizes of their own; empty: all layers are alike.
  std::vector<bool> full_layers;
  std::array<std::int64_t, static_cast<std::size_t>(Dim::n_dims)> full_sizes{};  // of those, by Dim; 0: as in the others
  bool full_values = true;                                                       // they have maps of values
  int first_shared = 1 << 30;   // first of the layers that have no keys and values of their own
  std::int64_t shared_ffn = 0;  // intermediate_size of those; 0: as of the others
  [[nodiscard]] std::int64_t size(Dim d) const { return sizes[static_cast<std::size_t>(d)]; }
  // In one layer, or with -1 outside of them.
  [[nodiscard]] std::int64_t size(Dim d, int layer) const;
  void set(Dim d, std::int64_t n) { sizes[static_cast<std::size_t>(d)] = n; }
  [[nodiscard]] bool has(When when, int layer) const;
  // Of a layer whose one block is something else: false.
  [[nodiscard]] bool may_be(LayerKind kind, int layer) const {
    return kinds.empty() || (layer >= 0 && kinds[static_cast<std::size_t>(layer)] == kind);
  }
};

// `text`: the object with the language model's numbers. Errors: corrupt, naming the key and the range.
[[nodiscard]] Result<Geometry> read_geometry(const json::Value& text, std::uint16_t reads);
// "mha", "gqa", "mqa".
[[nodiscard]] std::string_view attention_kind(std::int64_t n_heads, std::int64_t n_kv_heads);

}  // namespace jang::arch
