// SPDX-License-Identifier: Apache-2.0
// Backward of attention: output map, gate, attention, rotation and norms, maps of queries, keys and values.
#include "model/blocks/attention_backward.h"

#include <array>

#include "model/blocks/query_scale.h"

namespace jang::model {
namespace {

using kernels::LinearGradient;
using kernels::Tensor;

// Gradients of queries and gates into the layout of q_proj's rows, head by head: the way back of cut_gates.
void join_gates(Forward& f, const arch::AttentionSpec& s, const Tensor& dq, const Tensor& dgate, const Tensor& both) {
  const std::int64_t head = s.key_dim + s.value_dim;
  std::vector<kernels::ColumnCopy> queries, gates;
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    queries.push_back({h * s.key_dim, s.key_dim, both, h * head});
    gates.push_back({h * s.value_dim, s.value_dim, both, h * head + s.key_dim});
  }
  f.device.copy_columns(dq, queries);
  f.device.copy_columns(dgate, gates);
}

// One map for queries, keys and values: their gradients, d, side by side as its columns are.
void qkv_backward(BackwardPass& pass, const Attention& block, const Tensor& x, const std::array<Tensor, 3>& d, const Tensor& dx) {
  Forward& f = pass.forward;
  const Tensor all = f.workspace.q_gate.matrix(f.n, block.spec.qkv_size());
  std::array<std::vector<kernels::ColumnCopy>, 3> copies;
  for (const QkvRange& r : qkv_ranges(block.spec)) copies[r.part].push_back({r.part_column, r.n, all, r.column});
  for (std::size_t part = 0; part < d.size(); ++part) f.device.copy_columns(d[part], copies[part]);
  pass.weight(block.qkv, all, x);
  const LinearGradient map[] = {{block.qkv.weight.get(), all}};
  pass.ops.linear(map, false, dx);
}

}  // namespace

void backward(BackwardPass& pass, const Attention& block, int /*layer*/, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  Forward& f = pass.forward;
  const arch::AttentionSpec& s = block.spec;
  const Workspace& w = f.workspace;
  GradientSpace& space = pass.space;
  if (!pass.reserve(&space.attended, f.n, s.out_size()) || !pass.reserve(&space.q, f.n, s.q_size()) ||
      !pass.reserve(&space.k, f.n, s.k_size()) || !pass.reserve(&space.v, f.n, s.v_size()))
    return;
  const Tensor dattended = space.attended.matrix(f.n, s.out_size()), dq = space.q.matrix(f.n, s.q_size());
  const Tensor dk = space.k.matrix(f.n, s.k_size()), dv = space.v.matrix(f.n, s.v_size());

  pass.weight(block.o, dout, w.attended.matrix(f.n, s.out_size()));
  const LinearGradient out[] = {{block.o.weight.get(), dout}};
  pass.ops.linear(out, false, dattended);
  const Tensor gate = s.gated ? w.gate.matrix(f.n, s.out_size()) : Tensor();
  if (s.gated) pass.ops.glu(kernels::Activation::sigmoid, gate, f.kept->attended.matrix(f.n, s.out_size()), dattended, gate, dattended);
  const ChunkedRuns chunks(f, s.chunk);
  pass.ops.attend({.q = w.q.matrix(f.n, s.q_size()),
                   .k = w.k.matrix(f.n, s.k_size()),
                   .v = w.v.matrix(f.n, s.v_size()),
                   .sinks = block.sinks,
                   .dout = dattended,
                   .dq = dq,
                   .dk = dk,
                   .dv = dv,
                   .heads = s.n_heads,
                   .kv_heads = s.n_kv_heads,
                   .window = s.window,
                   .scale = s.scale,
                   .softcap = s.softcap},
                  s.chunk > 0 ? chunks.runs : f.runs);
  scale_queries(f, s.query_scale, dq);
  const bool turned = s.rope != arch::kNoRope, of_heads = s.qk_norm && !s.qk_norm_of_rows;
  kernels::RopeGradient rope{.norm = of_heads ? block.q_norm : Tensor(),
                             .cosines = turned ? f.rotations.cosines(s.rope, f.n) : Tensor(),
                             .sines = turned ? f.rotations.sines(s.rope, f.n) : Tensor(),
                             .interleaved = turned && f.rotations.interleaved(s.rope),
                             .norm_last = s.qk_norm_last,
                             .head_dim = s.key_dim,
                             .eps = f.norm.eps,
                             .offset = f.norm.offset,
                             .d = dq};
  if (of_heads) rope.x = f.kept->q.matrix(f.n, s.q_size());
  pass.ops.rope(rope);
  if (of_heads) rope.x = f.kept->k.matrix(f.n, s.k_size());
  if (of_heads) rope.norm = block.k_norm;
  rope.d = dk;
  pass.ops.rope(rope);
  if (s.qk_norm_of_rows) {
    const Tensor q = f.kept->q.matrix(f.n, s.q_size()), k = f.kept->k.matrix(f.n, s.k_size());
    pass.ops.norm({.x = q, .norm = block.q_norm, .dout = dq, .dx = dq, .eps = f.norm.eps, .offset = f.norm.offset});
    pass.ops.norm({.x = k, .norm = block.k_norm, .dout = dk, .dx = dk, .eps = f.norm.eps, .offset = f.norm.offset});
  }
  if (s.v_norm)
    pass.ops.norm({.x = f.kept->v.matrix(f.n, s.v_size()).with_columns(s.value_dim),
                   .dout = dv.with_columns(s.value_dim),
                   .dx = dv.with_columns(s.value_dim),
                   .eps = f.norm.eps});
  if (s.k_is_v) pass.ops.add(dv, dk);
  if (s.maps != arch::QkvMaps::apart) return qkv_backward(pass, block, x, {dq, dk, dv}, dx);

  const Tensor dq_out = s.gated ? w.q_gate.matrix(f.n, s.q_size() + s.out_size()) : dq;
  if (s.gated) join_gates(f, s, dq, gate, dq_out);
  const MapGradient weights[] = {{&block.q, -1, dq_out, x}, {&block.k, -1, dk, x}, {&block.v, -1, dv, x}};
  const std::size_t n_maps = s.k_is_v ? 2 : 3;
  pass.weights(std::span(weights).first(n_maps));
  const LinearGradient maps[] = {{block.q.weight.get(), dq_out}, {block.k.weight.get(), dk}, {block.v.weight.get(), dv}};
  pass.ops.linear(std::span(maps).first(n_maps), false, dx);
}

}  // namespace jang::model
