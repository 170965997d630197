// SPDX-License-Identifier: Apache-2.0
// Backward of an MLP and a mixture side by side: each branch through its norms, and the router through its own.
#include "model/blocks/mlp_and_experts_backward.h"

#include "model/blocks/experts_backward.h"
#include "model/blocks/mlp_backward.h"

namespace jang::model {

using kernels::Tensor;

void backward(BackwardPass& pass, const MlpAndExperts& block, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  Forward& f = pass.forward;
  const Workspace& w = f.workspace;
  GradientSpace& space = pass.space;
  const std::int64_t n = x.rows, hidden = x.columns;
  if (!pass.reserve(&space.beside, n, hidden) || !pass.reserve(&space.beside_in, n, hidden) || !pass.reserve(&space.router_in, n, hidden))
    return;
  const Tensor dbranch = space.beside.matrix(n, hidden), din = space.beside_in.matrix(n, hidden);
  const Tensor drouter = space.router_in.matrix(n, hidden);
  const auto through = [&](const Tensor& at, const Tensor& gain, const Tensor& d, const Tensor& to, bool add) {
    pass.ops.norm({.x = at, .norm = gain, .dout = d, .dx = to, .eps = f.norm.eps, .add = add});
  };

  through(f.kept->beside_moe.matrix(n, hidden), block.experts_out_norm, dout, dbranch, false);
  backward(pass, block.experts, w.experts_normed.matrix(n, hidden), w.router_normed.matrix(n, hidden), dbranch, din, drouter);
  through(x, block.experts_norm, din, dx, false);
  through(x, block.router_norm, drouter, dx, true);

  through(f.kept->beside_mlp.matrix(n, hidden), block.mlp_out_norm, dout, dbranch, false);
  backward(pass, block.mlp, w.mlp_normed.matrix(n, hidden), dbranch, false, din);
  through(x, block.mlp_norm, din, dx, true);
}

}  // namespace jang::model
