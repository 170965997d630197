// SPDX-License-Identifier: Apache-2.0
// Everything the graph of a decoder needs to know, as checked numbers: what holds for the whole model here, what a layer computes in its
// LayerSpec. Read from the config of a described model; what a class does that no config says stands in the file of its family (family.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "arch/layer_spec.h"
#include "arch/rope.h"
#include "jang/status.h"

namespace jang::arch {

struct Family;  // family.h

// Of every norm of a model: (x - m) / sqrt(mean((x - m)^2) + eps) * (weight + offset) [+ bias]. m is the mean of x in a centred norm
// (LayerNorm), else 0 (RMS norm). Norms have the biases that the model has.
struct NormSpec {
  float eps = 0, offset = 0;
  bool centred = false;
  bool operator==(const NormSpec&) const = default;
};

struct DecoderConfig {
  std::string family;
  std::int64_t hidden = 0, vocab = 0;
  std::int64_t max_positions = 0;  // trained context; nothing breaks beyond it but quality
  bool tied = false;               // the embedding is the output head
  NormSpec norm;
  float embedding_scale = 1;
  float logit_scale = 1;    // of the logits, before their cap
  float logit_softcap = 0;  // 0: none
  std::vector<Rope> ropes;  // AttentionSpec::rope says which
  std::vector<LayerSpec> layers;
  // Per-layer inputs p: of every token a row r of a table of its own, beside what a map W makes of its embedding e (scaled as the model
  // does). They are cut into equal parts, one a layer (LayerInputSpec), and the norm is of a part:
  //   p = (norm(W e / sqrt(hidden)) + sqrt(size of a part) r) / sqrt(2)
  std::int64_t layer_inputs = 0, layer_vocab = 0;  // values of all layers, rows of the table; 0: none
  float layer_embedding_scale = 1;                 // of r, in p

  [[nodiscard]] int n_layers() const { return static_cast<int>(layers.size()); }
  // Whether a layer needs nothing but the hidden states before it: neither the tokens nor the keys of another layer.
  [[nodiscard]] bool layers_stand_alone() const;
};

// `described`: of arch::describe. Errors: unsupported (a family nobody listed; an activation or RoPE type no kernel has), corrupt (a number
// out of range), each naming the key.
[[nodiscard]] Result<DecoderConfig> decoder_config(const Model& described);
// The same for a model of this family, listed in registry.cpp or not.
[[nodiscard]] Result<DecoderConfig> decoder_config(const Family& family, const Model& described);

// A number of the config that something is multiplied or divided by, for Family::specify. Errors: corrupt (not from 1e-6 to 1e6).
[[nodiscard]] Result<double> read_multiplier(const json::Value& text, const char* key, double fallback);

}  // namespace jang::arch
