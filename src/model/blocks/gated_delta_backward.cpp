// SPDX-License-Identifier: Apache-2.0
// Backward of Gated DeltaNet: output map, gate and norm, the rule and the convolution, the projections.
#include "model/blocks/gated_delta_backward.h"

namespace jang::model {
namespace {

using kernels::ColumnCopy;
using kernels::LinearGradient;
using kernels::Tensor;

// Gradients in the separate layout into the rows of the fused projections: the way back of cut_fused.
void join_fused(Forward& f, const arch::DeltaSpec& c, const Tensor& mixed, const Tensor& z, const Tensor& ba, const Tensor& fused,
                const Tensor& fused_ba) {
  const std::int64_t per_key = c.value_heads / c.key_heads, v_part = per_key * c.value_dim, head = 2 * c.key_dim + 2 * v_part;
  std::vector<ColumnCopy> from_mixed, from_z, from_ba;
  for (std::int64_t h = 0; h < c.key_heads; ++h) {
    const std::int64_t at = h * head;
    from_mixed.push_back({h * c.key_dim, c.key_dim, fused, at});
    from_mixed.push_back({c.q_size() + h * c.key_dim, c.key_dim, fused, at + c.key_dim});
    from_mixed.push_back({2 * c.q_size() + h * v_part, v_part, fused, at + 2 * c.key_dim});
    from_z.push_back({h * v_part, v_part, fused, at + 2 * c.key_dim + v_part});
    from_ba.push_back({h * per_key, per_key, fused_ba, h * 2 * per_key});
    from_ba.push_back({c.value_heads + h * per_key, per_key, fused_ba, (2 * h + 1) * per_key});
  }
  f.device.copy_columns(mixed, from_mixed);
  f.device.copy_columns(z, from_z);
  f.device.copy_columns(ba, from_ba);
}

// From the gradients of what the projections gave to their weights and to x.
void project_backward(BackwardPass& pass, const GatedDelta& block, const Tensor& x, const Tensor& dmixed, const Tensor& dz,
                      const Tensor& dba, const Tensor& dx) {
  Forward& f = pass.forward;
  const std::int64_t heads = block.spec.value_heads;
  if (!block.spec.interleaved) {
    const Tensor db = dba.column_range(0, heads), da = dba.column_range(heads, heads);
    const MapGradient weights[] = {{&block.qkv, -1, dmixed, x}, {&block.z, -1, dz, x}, {&block.b, -1, db, x}, {&block.a, -1, da, x}};
    pass.weights(weights);
    const LinearGradient maps[] = {
        {block.qkv.weight.get(), dmixed}, {block.z.weight.get(), dz}, {block.b.weight.get(), db}, {block.a.weight.get(), da}};
    return pass.ops.linear(maps, false, dx);
  }
  const Tensor fused = f.workspace.fused.matrix(f.n, block.qkvz.n_rows), fused_ba = f.workspace.fused_ba.matrix(f.n, 2 * heads);
  join_fused(f, block.spec, dmixed, dz, dba, fused, fused_ba);
  const MapGradient weights[] = {{&block.qkvz, -1, fused, x}, {&block.ba, -1, fused_ba, x}};
  pass.weights(weights);
  const LinearGradient maps[] = {{block.qkvz.weight.get(), fused}, {block.ba.weight.get(), fused_ba}};
  pass.ops.linear(maps, false, dx);
}

}  // namespace

void backward(BackwardPass& pass, const GatedDelta& block, int /*layer*/, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  Forward& f = pass.forward;
  const arch::DeltaSpec& c = block.spec;
  const Workspace& w = f.workspace;
  GradientSpace& space = pass.space;
  if (!pass.reserve(&space.attended, f.n, c.v_size()) || !pass.reserve(&space.v, f.n, c.v_size()) ||
      !pass.reserve(&space.qkv, f.n, c.conv_channels()))
    return;
  const Tensor dmixed_out = space.attended.matrix(f.n, c.v_size()), normed = space.v.matrix(f.n, c.v_size());
  const Tensor z = w.z.matrix(f.n, c.v_size()), given = f.kept->mixed.matrix(f.n, c.v_size());
  const Tensor ba = w.ba.matrix(f.n, 2 * c.value_heads), dqkv = space.qkv.matrix(f.n, c.conv_channels());

  pass.weight(block.out, dout, w.attended.matrix(f.n, c.v_size()));
  const LinearGradient out[] = {{block.out.weight.get(), dout}};
  pass.ops.linear(out, false, dmixed_out);
  f.device.add_norm({.x = given.with_columns(c.value_dim), .norm = block.norm, .out = normed.with_columns(c.value_dim), .eps = f.norm.eps});
  pass.ops.glu(kernels::Activation::silu, z, normed, dmixed_out, z, dmixed_out);  // z becomes its gradient
  const Tensor dheads = dmixed_out.with_columns(c.value_dim);
  pass.ops.norm({.x = given.with_columns(c.value_dim), .norm = block.norm, .dout = dheads, .dx = dheads, .eps = f.norm.eps, .offset = 0});
  pass.ops.delta({.key_heads = c.key_heads,
                  .value_heads = c.value_heads,
                  .key_dim = c.key_dim,
                  .value_dim = c.value_dim,
                  .qkv = f.kept->qkv.matrix(f.n, c.conv_channels()),
                  .ba = f.kept->ba.matrix(f.n, 2 * c.value_heads),
                  .a_log = block.a_log,
                  .dt_bias = block.dt_bias,
                  .dout = dmixed_out,
                  .dqkv = dqkv,
                  .dba = ba},
                 f.runs);
  const Tensor dmixed = w.qkv.matrix(f.n, c.conv_channels());
  pass.ops.conv({.x = w.mixed.matrix(f.n, c.conv_channels()), .weight = block.conv, .dout = dqkv, .dx = dmixed}, f.runs);
  project_backward(pass, block, x, dmixed, z, ba, dx);
}

}  // namespace jang::model
