// SPDX-License-Identifier: Apache-2.0
// Mixture of experts:
//
//   w = route(W_router x)  (kernels::RouteRule);  out = sum_i w_i expert_i(x)  [+ sigmoid(w_s . x) shared(x), or without a gate +
//   shared(x)]
//
// With spec.weighs_inputs, and one choice: out = expert(w x) [+ ...].
//
// Softmax over the logits of the chosen is the same as the softmax over all, of the chosen divided by their sum.
#pragma once

#include <string>

#include "model/blocks/mlp.h"
#include "model/forward.h"

namespace jang::model {

struct Experts {
  arch::ExpertsSpec spec;
  Linear router;
  Linear gate, up, down;  // a matrix per expert
  kernels::RouteRule rule;
  Mlp shared;            // spec.shared
  Linear shared_router;  // its gate
};

// What the workspace holds by slot, as inputs_of says it of an MLP.
[[nodiscard]] MlpInputs slot_inputs_of(const Workspace& workspace, const arch::ExpertsSpec& spec, std::int64_t slots);
// Of a routing with one choice: rows of tokens gathered by slot, each times the weight of its slot, which run() left in the workspace.
[[nodiscard]] kernels::Routing by_slot_of(const Forward& f, const kernels::Routing& routing);

[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::ExpertsSpec& spec, Experts* block);
// The memory of a forward. Errors: out_of_memory.
[[nodiscard]] Status reserve(Forward& f, const Experts& block);
// x, out: [n, hidden].
void run(Forward& f, const Experts& block, const kernels::Tensor& x, const kernels::Tensor& out);
// The same where the router reads other values.
void run(Forward& f, const Experts& block, const kernels::Tensor& x, const kernels::Tensor& router_x, const kernels::Tensor& out);

}  // namespace jang::model
