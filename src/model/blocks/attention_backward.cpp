// SPDX-License-Identifier: Apache-2.0
// Backward of attention: output map, gate, attention, rotation and norms, maps of queries, keys and values.
#include "model/blocks/attention_backward.h"

namespace jang::model {
namespace {

using kernels::LinearGradient;
using kernels::Tensor;

// Gradients of queries and gates into the layout of q_proj's rows, head by head: the way back of cut_gates.
void join_gates(Forward& f, const Tensor& dq, const Tensor& dgate, const Tensor& both) {
  const std::int64_t dim = f.config.head_dim;
  std::vector<kernels::ColumnCopy> queries, gates;
  for (std::int64_t h = 0; h < f.config.n_heads; ++h) {
    queries.push_back({h * dim, dim, both, 2 * h * dim});
    gates.push_back({h * dim, dim, both, (2 * h + 1) * dim});
  }
  f.device.copy_columns(dq, queries);
  f.device.copy_columns(dgate, gates);
}

}  // namespace

void backward(BackwardPass& pass, const Attention& block, int layer, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  Forward& f = pass.forward;
  const arch::DecoderConfig& c = f.config;
  const Workspace& w = f.workspace;
  GradientSpace& space = pass.space;
  const std::int64_t q_size = c.n_heads * c.head_dim, kv_size = c.n_kv_heads * c.head_dim;
  const bool sliding = c.layers[static_cast<std::size_t>(layer)] == arch::LayerKind::sliding_attention;
  if (!pass.reserve(&space.attended, f.n, q_size) || !pass.reserve(&space.q, f.n, q_size) || !pass.reserve(&space.k, f.n, kv_size) ||
      !pass.reserve(&space.v, f.n, kv_size))
    return;
  const Tensor dattended = space.attended.matrix(f.n, q_size), dq = space.q.matrix(f.n, q_size);
  const Tensor dk = space.k.matrix(f.n, kv_size), dv = space.v.matrix(f.n, kv_size);

  pass.weight(block.o, -1, dout, w.attended.matrix(f.n, q_size));
  const LinearGradient out[] = {{block.o.weight.get(), dout}};
  pass.ops.linear(out, false, dattended);
  const Tensor gate = c.gated_attention ? w.gate.matrix(f.n, q_size) : Tensor();
  if (c.gated_attention) pass.ops.glu(kernels::Activation::sigmoid, gate, f.kept->attended.matrix(f.n, q_size), dattended, gate, dattended);
  pass.ops.attend({.q = w.q.matrix(f.n, q_size),
                   .k = w.k.matrix(f.n, kv_size),
                   .v = w.v.matrix(f.n, kv_size),
                   .dout = dattended,
                   .dq = dq,
                   .dk = dk,
                   .dv = dv,
                   .heads = c.n_heads,
                   .kv_heads = c.n_kv_heads,
                   .window = sliding ? c.window : 0,
                   .scale = c.attention_scale,
                   .softcap = c.attention_softcap});
  const std::int64_t half = (sliding ? c.local_rope : c.rope).dims / 2;
  kernels::RopeGradient rope{.norm = block.q_norm,
                             .cosines = (sliding ? w.local_cosines : w.cosines).matrix(f.n, half),
                             .sines = (sliding ? w.local_sines : w.sines).matrix(f.n, half),
                             .head_dim = c.head_dim,
                             .eps = c.norm_eps,
                             .offset = c.norm_offset,
                             .d = dq};
  if (c.qk_norm) rope.x = f.kept->q.matrix(f.n, q_size);
  pass.ops.rope(rope);
  if (c.qk_norm) rope.x = f.kept->k.matrix(f.n, kv_size);
  rope.norm = block.k_norm;
  rope.d = dk;
  pass.ops.rope(rope);

  const Tensor dq_out = c.gated_attention ? w.q_gate.matrix(f.n, 2 * q_size) : dq;
  if (c.gated_attention) join_gates(f, dq, gate, dq_out);
  pass.weight(block.q, -1, dq_out, x);
  pass.weight(block.k, -1, dk, x);
  pass.weight(block.v, -1, dv, x);
  const LinearGradient maps[] = {{block.q.weight.get(), dq_out}, {block.k.weight.get(), dk}, {block.v.weight.get(), dv}};
  pass.ops.linear(maps, false, dx);
}

}  // namespace jang::model
