// SPDX-License-Identifier: Apache-2.0
// Backward of the gated MLP: down, activation, gate and up.
#include "model/blocks/mlp_backward.h"

namespace jang::model {

using kernels::LinearGradient;
using kernels::Tensor;

void backward(BackwardPass& pass, const Mlp& block, const Tensor& x, const Tensor& dout, bool add, const Tensor& dx) {
  const Forward& f = pass.forward;
  const std::int64_t n = x.rows, ffn = block.spec.ffn;
  if (!pass.reserve(&pass.space.ffn, n, ffn)) return;
  const Tensor gate = f.workspace.mlp_gate.matrix(n, ffn), up = f.workspace.mlp_up.matrix(n, ffn);
  const Tensor dactivated = pass.space.ffn.matrix(n, ffn);

  pass.weight(block.down, dout, f.kept->activated.matrix(n, ffn));
  const LinearGradient down[] = {{block.down.weight.get(), dout}};
  pass.ops.linear(down, false, dactivated);
  pass.ops.glu(kernel_of(block.spec.activation), gate, up, dactivated, gate, up);  // gate and up become their gradients
  const MapGradient weights[] = {{&block.gate, -1, gate, x}, {&block.up, -1, up, x}};
  pass.weights(weights);
  const LinearGradient maps[] = {{block.gate.weight.get(), gate}, {block.up.weight.get(), up}};
  pass.ops.linear(maps, add, dx);
}

}  // namespace jang::model
