// SPDX-License-Identifier: Apache-2.0
// One way back through a model: what every block's backward needs to know. A block finds the workspace and Forward::kept as its own forward
// over the same tokens has left them, and may overwrite both.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/backward.h"
#include "model/backward.h"
#include "model/forward.h"
#include "model/linear.h"

namespace jang::model {

// Device memory of gradients; n is the tokens of the texts. Blocks take turns.
struct GradientSpace {
  Array normed, branch;                                            // [n, hidden]: of the input of a block, of its output
  Array attended, q, k, v;                                         // attention; q, k, v also of the parts of qkv
  Array qkv, fused;                                                // gated delta
  Array whole_q, whole_k, whole_v, kv, latent, q_latent, queries;  // latent attention: of all heads as the formula has them, then gradients
  Array ffn, slots, slot_ffn, weights, router, shared;             // MLP and experts
  Array shared_gate;
  Array beside, beside_in, router_in;  // an MLP and a mixture side by side: of a branch, of what it and the router read
  Array slot_weights;                  // experts that weigh what they read
  Array weight;                        // of weights, kGradientValues or one row
};

// The gradient of a map that wrote y of x: dy^T x.
struct MapGradient {
  const Linear* map = nullptr;
  int expert = -1;  // -1 for maps of one matrix
  kernels::Tensor dy{}, x{};
};

struct BackwardPass {
  Forward& forward;
  kernels::Backward& ops;
  GradientSink& sink;
  GradientSpace& space;
  Status status{};  // the first failure: out of memory, or what the sink returned

  // Room for [rows, columns]; false when there is none, which `status` then says.
  [[nodiscard]] bool reserve(Array* array, std::int64_t rows, std::int64_t columns);
  // Hands gradients of maps to the sink, in order; what fits into kGradientValues is computed side by side.
  void weights(std::span<const MapGradient> maps);
  void weight(const Linear& map, const kernels::Tensor& dy, const kernels::Tensor& x);

 private:
  void hand_over(std::span<const WeightGradient> parts, std::span<const kernels::WeightGradient> products);
};

}  // namespace jang::model
