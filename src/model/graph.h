// SPDX-License-Identifier: Apache-2.0
// The bound graph of a decoder: its blocks, layer by layer, and the vectors they point at. A mixer is a struct with the functions that
// attention.h has, a feed-forward one with those of mlp.h.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "model/blocks/absent.h"
#include "model/blocks/attention.h"
#include "model/blocks/experts.h"
#include "model/blocks/gated_delta.h"
#include "model/blocks/latent_attention.h"
#include "model/blocks/mamba.h"
#include "model/blocks/mlp.h"
#include "model/blocks/mlp_and_experts.h"
#include "model/blocks/short_conv.h"
#include "model/weights.h"

namespace jang::model {

// Of a norm: [1, hidden]. Absent where the layer has no such norm, or the norm no bias.
struct NormWeights {
  kernels::Tensor weight, bias;
};

// What a layer adds of its part of the per-layer inputs.
struct LayerInput {
  arch::LayerInputSpec spec;
  Linear gate, projection;
  kernels::Tensor norm;  // [1, hidden]
};

struct Layer {
  arch::Norms norms = arch::Norms::before;
  NormWeights mixer_norm, ffn_norm;              // of what the blocks read: not with Norms::after; parallel ones may share the mixer's
                                                 // and a single block has it, whichever it is
  kernels::Tensor mixer_out_norm, ffn_out_norm;  // of what they write: with Norms::around and after only
  std::variant<Attention, GatedDelta, LatentAttention, ShortConv, Mamba, arch::NoMixer> mixer;
  std::variant<Mlp, Experts, MlpAndExperts, arch::NoFfn> ffn;
  std::optional<LayerInput> input;
  kernels::Tensor scalar;  // [1, hidden], all values equal: what the layer gives is multiplied by it; or absent
};

struct Graph {
  Linear embedding, head;                    // head does not exist when tied: the embedding serves
  Linear layer_embedding, layer_projection;  // of per-layer inputs; or do not exist
  kernels::Tensor layer_input_norm;          // [1, values of a layer]
  NormWeights final_norm;
  std::vector<Layer> layers;
  std::vector<std::unique_ptr<kernels::Buffer>> vectors;  // behind the tensors
};

// Takes matrices out of `weights`; biases stay there and are pointed at. Errors: corrupt, unsupported (no kernel), out_of_memory.
[[nodiscard]] Result<Graph> bind_graph(const arch::DecoderConfig& config, kernels::Device& device, kernels::Precision precision,
                                       Weights* weights);

// Every map of the graph that exists, in graph order.
[[nodiscard]] std::vector<Linear*> maps_of(Graph* graph);
// Those of one layer.
[[nodiscard]] std::vector<Linear*> maps_of(Layer* layer);

}  // namespace jang::model
