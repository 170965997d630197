// SPDX-License-Identifier: Apache-2.0
// Mixture of experts:
//
//   p = softmax(W_router x);  chosen = the k largest, the lower index first when equal;  w = p[chosen], divided by their sum with norm_topk
//   out = sum_i w_i expert_i(x)  [+ sigmoid(w_s . x) shared(x), or without a gate + shared(x)]
//
// Softmax over the logits of the chosen is the same as p[chosen] divided by their sum.
#pragma once

#include <string>

#include "model/blocks/mlp.h"
#include "model/forward.h"

namespace jang::model {

struct Experts {
  arch::ExpertsSpec spec;
  Linear router;
  Linear gate, up, down;  // a matrix per expert
  Mlp shared;             // spec.shared
  Linear shared_router;   // its gate
};

// Whether weights of the chosen experts are divided by their sum.
[[nodiscard]] constexpr bool normalizes(const arch::ExpertsSpec& spec) {
  return spec.norm_topk || spec.scoring == arch::Scoring::softmax_of_chosen;
}

[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::ExpertsSpec& spec, Experts* block);
// The memory of a forward. Errors: out_of_memory.
[[nodiscard]] Status reserve(Forward& f, const Experts& block);
// x, out: [n, hidden].
void run(Forward& f, const Experts& block, const kernels::Tensor& x, const kernels::Tensor& out);

}  // namespace jang::model
