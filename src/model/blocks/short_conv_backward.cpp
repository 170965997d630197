// SPDX-License-Identifier: Apache-2.0
// Backward of the gated short convolution: map out, gate c, convolution, gate b, map in. Gradients of b, c and u take the places of their
// values.
#include "model/blocks/short_conv_backward.h"

namespace jang::model {

using kernels::Activation;
using kernels::LinearGradient;
using kernels::Tensor;

void backward(BackwardPass& pass, const ShortConv& block, int /*layer*/, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  Forward& f = pass.forward;
  const std::int64_t channels = block.spec.channels;
  GradientSpace& space = pass.space;
  if (!pass.reserve(&space.attended, f.n, channels) || !pass.reserve(&space.v, f.n, channels)) return;
  const Tensor dgiven = space.attended.matrix(f.n, channels), dgated = space.v.matrix(f.n, channels);
  const ShortConvValues v = values_of(f, block);

  pass.weight(block.out, dout, v.given);
  const LinearGradient out[] = {{block.out.weight.get(), dout}};
  pass.ops.linear(out, false, dgiven);
  pass.ops.glu(Activation::identity, v.c, v.mixed, dgiven, v.c, dgiven);  // dgiven becomes the gradient of what the convolution made
  pass.ops.conv({.x = v.gated, .weight = block.conv, .dout = dgiven, .dx = dgated, .silu = false}, f.runs);
  pass.ops.glu(Activation::identity, v.b, v.u, dgated, v.b, v.u);
  pass.weight(block.in, v.made, x);
  const LinearGradient in[] = {{block.in.weight.get(), v.made}};
  pass.ops.linear(in, false, dx);
}

}  // namespace jang::model
