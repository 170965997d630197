// SPDX-License-Identifier: Apache-2.0
// The weights of a model by their canonical names (arch::OutTensor), wherever they lie. The owner of the bytes must outlive every user.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernels/matrix.h"

namespace jang::model {

struct Weights {
  // Module path ("model.layers.0.self_attn.q_proj") to its matrix; routed experts ("...mlp.experts.up_proj"): one view per expert.
  std::map<std::string, std::vector<kernels::MatrixView>, std::less<>> matrices;
  // Full tensor name to values as floats: norms (zero-centred ones already shifted), biases, convolution [C, K], A_log, dt_bias.
  std::map<std::string, std::vector<float>, std::less<>> vectors;
};

}  // namespace jang::model
