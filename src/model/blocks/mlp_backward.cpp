// SPDX-License-Identifier: Apache-2.0
// Backward of the MLP: down, activation, gate and up.
#include "model/blocks/mlp_backward.h"

namespace jang::model {

using kernels::LinearGradient;
using kernels::Tensor;

void backward(BackwardPass& pass, const Mlp& block, const Tensor& x, const Tensor& dout, bool add, const Tensor& dx) {
  const Forward& f = pass.forward;
  const std::int64_t n = x.rows, ffn = block.spec.ffn;
  if (!pass.reserve(&pass.space.ffn, n, ffn)) return;
  const auto [gate, up] = inputs_of(f.workspace, block.spec, n);
  const Tensor dactivated = pass.space.ffn.matrix(n, ffn);

  pass.weight(block.down, dout, f.kept->activated.matrix(n, ffn));
  const LinearGradient down[] = {{block.down.weight.get(), dout}};
  pass.ops.linear(down, false, dactivated);
  pass.ops.glu(kernel_of(block.spec.activation), gate, up, dactivated, gate, up);  // gate and up become their gradients
  if (block.spec.fused || !block.spec.gated) {
    const Linear& map = block.spec.fused ? block.gate_up : block.up;
    const Tensor dy = block.spec.fused ? f.workspace.mlp_gate.matrix(n, 2 * ffn) : gate;
    pass.weight(map, dy, x);
    const LinearGradient only[] = {{map.weight.get(), dy}};
    return pass.ops.linear(only, add, dx);
  }
  const MapGradient weights[] = {{&block.gate, -1, gate, x}, {&block.up, -1, up, x}};
  pass.weights(weights);
  const LinearGradient maps[] = {{block.gate.weight.get(), gate}, {block.up.weight.get(), up}};
  pass.ops.linear(maps, add, dx);
}

}  // namespace jang::model
