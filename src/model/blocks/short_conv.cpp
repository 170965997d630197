// SPDX-License-Identifier: Apache-2.0
// Gated short convolution: one map in, two products around the convolution over the states of the sequences, one map out.
#include "model/blocks/short_conv.h"

#include "model/bind.h"

namespace jang::model {

using kernels::Activation;
using kernels::Tensor;

LayerCache cache_of(const arch::ShortConvSpec& spec) { return {.kv = {}, .states = {{spec.kernel - 1, spec.channels}}}; }

Status bind_block(Binder& binder, const std::string& prefix, const arch::ShortConvSpec& c, ShortConv* block) {
  block->spec = c;
  JANG_TRY(binder.take(prefix + "in_proj", 3 * c.channels, binder.hidden(), binder.precision(), &block->in));
  JANG_TRY(binder.take(prefix + "out_proj", binder.hidden(), c.channels, binder.precision(), &block->out));
  JANG_TRY(binder.vector(prefix + "conv.weight", c.channels * c.kernel, &block->conv));
  block->conv = block->conv.with_columns(c.kernel);
  return {};
}

Status reserve(Forward& f, const ShortConv& block, int layer) {
  const std::int64_t values = f.n * block.spec.channels;
  kernels::Device& d = f.device;
  Workspace& w = f.workspace;
  const bool room =
      w.fused.reserve(d, 3 * values) && w.mixed.reserve(d, values) && w.qkv.reserve(d, values) && w.attended.reserve(d, values);
  return room ? f.ready_states(layer) : f.out_of_memory();
}

ShortConvValues values_of(const Forward& f, const ShortConv& block) {
  const std::int64_t channels = block.spec.channels;
  const Workspace& w = f.workspace;
  const Tensor made = w.fused.matrix(f.n, 3 * channels);
  return {.made = made,
          .b = made.column_range(0, channels),
          .c = made.column_range(channels, channels),
          .u = made.column_range(2 * channels, channels),
          .gated = w.mixed.matrix(f.n, channels),
          .mixed = w.qkv.matrix(f.n, channels),
          .given = w.attended.matrix(f.n, channels)};
}

void run(Forward& f, const ShortConv& block, int layer) {
  const ShortConvValues v = values_of(f, block);
  const Tensor x = f.workspace.normed.matrix(f.n, f.hidden);
  f.see({&block.in}, -1, x);
  const kernels::LinearOut in[] = {{block.in.weight.get(), v.made}};
  f.device.linear(x, in);
  f.device.glu(Activation::identity, v.b, v.u, v.gated);

  const std::vector<std::vector<Tensor>> states = f.take_states(layer);  // of the convolution
  f.device.conv({.x = v.gated, .out = v.mixed, .weight = block.conv, .states = states[0], .silu = false}, f.runs);
  f.device.glu(Activation::identity, v.c, v.mixed, v.given);
  f.see({&block.out}, -1, v.given);
  const kernels::LinearOut out[] = {{block.out.weight.get(), f.workspace.branch.matrix(f.n, f.hidden)}};
  f.device.linear(v.given, out);
}

}  // namespace jang::model
