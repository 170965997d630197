// SPDX-License-Identifier: Apache-2.0
// A dense MLP and a mixture side by side, as Gemma 4 has them (arch::MlpAndExpertsSpec). x are the hidden states as they are:
//
//   out = norm_1(mlp(norm(x))) + norm_2(experts(norm_2'(x); router(norm_r(x))))
//
// norm_r has the gain router.scale, scaled. The norms have no offset.
#pragma once

#include <string>

#include "model/blocks/experts.h"
#include "model/blocks/mlp.h"
#include "model/forward.h"

namespace jang::model {

struct MlpAndExperts {
  Mlp mlp;
  Experts experts;
  kernels::Tensor mlp_norm, experts_norm, router_norm;  // of what they read: [1, hidden]
  kernels::Tensor mlp_out_norm, experts_out_norm;       // of what they write
};

// `prefix`: of the layer's modules.
[[nodiscard]] Status bind_block(Binder& binder, const std::string& prefix, const arch::MlpAndExpertsSpec& spec, MlpAndExperts* block);
// The memory of a forward. Errors: out_of_memory.
[[nodiscard]] Status reserve(Forward& f, const MlpAndExperts& block);
// x, out: [n, hidden].
void run(Forward& f, const MlpAndExperts& block, const kernels::Tensor& x, const kernels::Tensor& out);
// What the three read, of x: in workspace.mlp_normed, experts_normed and router_normed.
void normalise_inputs(Forward& f, const MlpAndExperts& block, const kernels::Tensor& x);

}  // namespace jang::model
