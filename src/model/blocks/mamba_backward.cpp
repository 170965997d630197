// SPDX-License-Identifier: Apache-2.0
// Backward of Mamba2: map out, norm and gate, scan, convolution, map in. Gradients of z and dt take the places of their values, that of the
// convolution's inputs lies down beside them.
#include "model/blocks/mamba_backward.h"

namespace jang::model {
namespace {

using kernels::Activation;
using kernels::ColumnCopy;
using kernels::LinearGradient;
using kernels::Tensor;

// d: of the normalised parts, becomes that of x.
void norm_parts_back(BackwardPass& pass, const Mamba& block, const Tensor& x, const Tensor& d) {
  const std::int64_t part = block.spec.inner() / block.spec.norm_groups;
  for (std::int64_t column = 0; column < block.spec.inner(); column += part) {
    const Tensor of_part = d.column_range(column, part);
    pass.ops.norm({.x = x.column_range(column, part),
                   .norm = block.norm.column_range(column, part),
                   .dout = of_part,
                   .dx = of_part,
                   .eps = block.spec.eps});
  }
}

// d: of what out reads, becomes that of what the scan gave; z becomes its gradient.
void gate_back(BackwardPass& pass, const Mamba& block, const Tensor& z, const Tensor& d) {
  const arch::MambaSpec& m = block.spec;
  Forward& f = pass.forward;
  const Tensor y = f.kept->mixed.matrix(f.n, m.inner()), between = pass.space.v.matrix(f.n, m.inner());
  f.device.glu(Activation::silu, z, y, between);
  norm_parts_back(pass, block, between, d);
  pass.ops.glu(Activation::silu, z, y, d, z, d);
}

}  // namespace

void backward(BackwardPass& pass, const Mamba& block, int /*layer*/, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  Forward& f = pass.forward;
  const arch::MambaSpec& m = block.spec;
  GradientSpace& space = pass.space;
  if (!pass.reserve(&space.attended, f.n, m.inner()) || !pass.reserve(&space.v, f.n, m.inner()) ||
      !pass.reserve(&space.qkv, f.n, m.conv_channels()))
    return;
  const MambaValues v = values_of(f, block);
  const Tensor dy = space.attended.matrix(f.n, m.inner()), dxbc = space.qkv.matrix(f.n, m.conv_channels());

  pass.weight(block.out, dout, v.y);
  const LinearGradient out[] = {{block.out.weight.get(), dout}};
  pass.ops.linear(out, false, dy);
  gate_back(pass, block, v.z, dy);
  pass.ops.scan({.heads = m.heads,
                 .groups = m.groups,
                 .head_dim = m.head_dim,
                 .state_dim = m.state_dim,
                 .least_step = m.least_step,
                 .most_step = m.most_step,
                 .xbc = v.xbc,
                 .dt = v.dt,
                 .a_log = block.a_log,
                 .dt_bias = block.dt_bias,
                 .skip = block.skip,
                 .dout = dy,
                 .dxbc = dxbc,
                 .ddt = v.dt},
                f.runs);
  pass.ops.conv({.x = v.mixed, .weight = block.conv, .bias = block.conv_bias, .dout = dxbc, .dx = v.xbc}, f.runs);
  const ColumnCopy back[] = {{0, m.conv_channels(), v.made, m.inner()}};
  f.device.copy_columns(v.xbc, back);
  pass.weight(block.in, v.made, x);
  const LinearGradient in[] = {{block.in.weight.get(), v.made}};
  pass.ops.linear(in, false, dx);
}

}  // namespace jang::model
