// SPDX-License-Identifier: Apache-2.0
// One way back through a model: what every block's backward needs to know. A block finds the workspace and Forward::kept as its own forward
// over the same tokens has left them, and may overwrite both.
#pragma once

#include <cstdint>

#include "kernels/backward.h"
#include "model/backward.h"
#include "model/forward.h"
#include "model/linear.h"

namespace jang::model {

// Device memory of gradients; n is the tokens of the window. Blocks take turns.
struct GradientSpace {
  Array normed, branch;                                 // [n, hidden]: of the input of a block, of its output
  Array attended, q, k, v;                              // attention; q, k, v also of the parts of qkv
  Array qkv, fused;                                     // gated delta
  Array ffn, slots, slot_ffn, weights, router, shared;  // MLP and experts
  Array shared_gate;
  Array weight;  // of a weight, kGradientValues or one row
};

struct BackwardPass {
  Forward& forward;
  kernels::Backward& ops;
  GradientSink& sink;
  GradientSpace& space;
  Status status{};  // the first failure: out of memory, or what the sink returned

  // Room for [rows, columns]; false when there is none, which `status` then says.
  [[nodiscard]] bool reserve(Array* array, std::int64_t rows, std::int64_t columns);
  // Hands the gradient of a map to the sink: dy^T x. expert: -1 for maps of one matrix.
  void weight(const Linear& map, int expert, const kernels::Tensor& dy, const kernels::Tensor& x);
};

}  // namespace jang::model
