// SPDX-License-Identifier: Apache-2.0
// Mamba2: one map in, convolution and scan over the states of the sequences, gate and norm, one map out.
#include "model/blocks/mamba.h"

#include "model/bind.h"

namespace jang::model {

using kernels::Activation;
using kernels::ColumnCopy;
using kernels::Tensor;

LayerCache cache_of(const arch::MambaSpec& spec) {
  return {.kv = {}, .states = {{spec.conv_kernel - 1, spec.conv_channels()}, {spec.heads * spec.state_dim, spec.head_dim}}};
}

Status bind_block(Binder& binder, const std::string& prefix, const arch::MambaSpec& m, Mamba* block) {
  if (m.norm_first) return refuse(prefix + "gated_norm", "a gate behind the norm");
  if (m.norm_groups == 0) return refuse(prefix + "gated_norm", "a gate without a norm");
  JANG_TRY(binder.device().check(kernels::Scan{}).with_context("'" + prefix + "'"));
  block->spec = m;
  JANG_TRY(binder.take(prefix + "in_proj", m.in_size(), binder.hidden(), binder.precision(), &block->in));
  JANG_TRY(binder.take(prefix + "out_proj", binder.hidden(), m.inner(), binder.precision(), &block->out));
  JANG_TRY(binder.vector(prefix + "conv1d.weight", m.conv_channels() * m.conv_kernel, &block->conv));
  block->conv = block->conv.with_columns(m.conv_kernel);
  if (binder.has_vector(prefix + "conv1d.bias")) JANG_TRY(binder.vector(prefix + "conv1d.bias", m.conv_channels(), &block->conv_bias));
  JANG_TRY(binder.vector(prefix + "A_log", m.heads, &block->a_log));
  JANG_TRY(binder.vector(prefix + "dt_bias", m.heads, &block->dt_bias));
  JANG_TRY(binder.vector(prefix + "D", m.heads, &block->skip));
  return binder.vector(prefix + "gated_norm.weight", m.inner(), &block->norm);
}

Status reserve(Forward& f, const Mamba& block, int layer) {
  const arch::MambaSpec& m = block.spec;
  const std::int64_t channels = f.n * m.conv_channels();
  kernels::Device& d = f.device;
  Workspace& w = f.workspace;
  bool room = w.fused.reserve(d, f.n * m.in_size()) && w.mixed.reserve(d, channels) && w.qkv.reserve(d, channels) &&
              w.ba.reserve(d, f.n * 2 * m.heads) && w.attended.reserve(d, f.n * m.inner());
  if (f.kept != nullptr) room = room && f.kept->mixed.reserve(d, f.n * m.inner());
  return room ? f.ready_states(layer) : f.out_of_memory();
}

MambaValues values_of(const Forward& f, const Mamba& block) {
  const arch::MambaSpec& m = block.spec;
  const Workspace& w = f.workspace;
  const Tensor made = w.fused.matrix(f.n, m.in_size());
  return {.made = made,
          .z = made.column_range(0, m.inner()),
          .dt = made.column_range(m.inner() + m.conv_channels(), m.heads),
          .mixed = w.mixed.matrix(f.n, m.conv_channels()),
          .xbc = w.qkv.matrix(f.n, m.conv_channels()),
          .y = w.attended.matrix(f.n, m.inner())};
}

void norm_parts(const Forward& f, const Mamba& block, const Tensor& x, const Tensor& out) {
  const std::int64_t part = block.spec.inner() / block.spec.norm_groups;
  for (std::int64_t column = 0; column < block.spec.inner(); column += part)
    f.device.add_norm({.x = x.column_range(column, part),
                       .norm = block.norm.column_range(column, part),
                       .out = out.column_range(column, part),
                       .eps = block.spec.eps});
}

void run(Forward& f, const Mamba& block, int layer) {
  const arch::MambaSpec& m = block.spec;
  const MambaValues v = values_of(f, block);
  const Tensor x = f.workspace.normed.matrix(f.n, f.hidden), steps = f.workspace.ba.matrix(f.n, 2 * m.heads);
  f.see({&block.in}, -1, x);
  const kernels::LinearOut in[] = {{block.in.weight.get(), v.made}};
  f.device.linear(x, in);
  const ColumnCopy cuts[] = {{m.inner(), m.conv_channels(), v.mixed, 0}, {m.inner() + m.conv_channels(), m.heads, steps, 0}};
  f.device.copy_columns(v.made, cuts);

  const std::vector<std::vector<Tensor>> states = f.take_states(layer);  // of the convolution, of the scan
  f.device.conv({.x = v.mixed, .out = v.xbc, .weight = block.conv, .states = states[0], .silu = true, .bias = block.conv_bias}, f.runs);
  f.device.scan({.heads = m.heads,
                 .groups = m.groups,
                 .head_dim = m.head_dim,
                 .state_dim = m.state_dim,
                 .least_step = m.least_step,
                 .most_step = m.most_step,
                 .xbc = v.xbc,
                 .steps = steps,
                 .a_log = block.a_log,
                 .dt_bias = block.dt_bias,
                 .skip = block.skip,
                 .states = states[1],
                 .out = v.y},
                f.runs);
  if (f.kept != nullptr) f.device.copy(v.y, f.kept->mixed.matrix(f.n, m.inner()));
  f.device.glu(Activation::silu, v.z, v.y, v.y);
  norm_parts(f, block, v.y, v.y);
  f.see({&block.out}, -1, v.y);
  const kernels::LinearOut out[] = {{block.out.weight.get(), f.workspace.branch.matrix(f.n, f.hidden)}};
  f.device.linear(v.y, out);
}

}  // namespace jang::model
