// SPDX-License-Identifier: Apache-2.0
// Mixture of experts (softmax over all experts, then the top k):
//
//   p = softmax(W_router x);  chosen = the k largest, the lower index first when equal;  w = p[chosen] (divided by their sum: norm_topk)
//   out = sum_i w_i expert_i(x)  +  sigmoid(w_s . x) shared(x)
#pragma once

#include <string>

#include "model/blocks/mlp.h"
#include "model/forward.h"

namespace jang::model {

struct Experts {
  Linear router;
  Linear gate, up, down;  // a matrix per expert
  Linear shared_router;   // with a shared expert only
  Mlp shared;
};

[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, Experts* block);
[[nodiscard]] bool reserve(Forward& f, const Experts& block);
// x, out: [n, hidden].
void run(Forward& f, const Experts& block, const kernels::Tensor& x, const kernels::Tensor& out);

}  // namespace jang::model
