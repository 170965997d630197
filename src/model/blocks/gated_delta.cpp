// SPDX-License-Identifier: Apache-2.0
// Gated DeltaNet: projections brought into one layout, convolution and delta rule over the states of the sequences, gate and output.
#include "model/blocks/gated_delta.h"

#include "model/bind.h"

namespace jang::model {
namespace {

using kernels::ColumnCopy;
using kernels::Tensor;

// Cuts the fused projections into the separate layout: queries of all heads, keys of all heads, values of all heads; z; all b, then all a.
void cut_fused(Forward& f, const arch::DeltaSpec& c, const Tensor& fused, const Tensor& fused_ba, const Tensor& mixed, const Tensor& z,
               const Tensor& ba) {
  const std::int64_t per_key = c.value_heads / c.key_heads, v_part = per_key * c.value_dim, head = 2 * c.key_dim + 2 * v_part;
  std::vector<ColumnCopy> cuts, ba_cuts;
  for (std::int64_t h = 0; h < c.key_heads; ++h) {
    const std::int64_t at = h * head;
    cuts.push_back({at, c.key_dim, mixed, h * c.key_dim});
    cuts.push_back({at + c.key_dim, c.key_dim, mixed, c.q_size() + h * c.key_dim});
    cuts.push_back({at + 2 * c.key_dim, v_part, mixed, 2 * c.q_size() + h * v_part});
    cuts.push_back({at + 2 * c.key_dim + v_part, v_part, z, h * v_part});
    ba_cuts.push_back({h * 2 * per_key, per_key, ba, h * per_key});
    ba_cuts.push_back({(2 * h + 1) * per_key, per_key, ba, c.value_heads + h * per_key});
  }
  f.device.copy_columns(fused, cuts);
  f.device.copy_columns(fused_ba, ba_cuts);
}

void project(Forward& f, const GatedDelta& block, const Tensor& x, const Tensor& mixed, const Tensor& z, const Tensor& ba) {
  const std::int64_t heads = block.spec.value_heads;
  if (!block.spec.interleaved) {
    f.see({&block.qkv, &block.z, &block.b, &block.a}, -1, x);
    const kernels::LinearOut maps[] = {{block.qkv.weight.get(), mixed},
                                       {block.z.weight.get(), z},
                                       {block.b.weight.get(), ba.column_range(0, heads)},
                                       {block.a.weight.get(), ba.column_range(heads, heads)}};
    return f.device.linear(x, maps);
  }
  f.see({&block.qkvz, &block.ba}, -1, x);
  const Tensor fused = f.workspace.fused.matrix(f.n, block.qkvz.n_rows), fused_ba = f.workspace.fused_ba.matrix(f.n, 2 * heads);
  const kernels::LinearOut maps[] = {{block.qkvz.weight.get(), fused}, {block.ba.weight.get(), fused_ba}};
  f.device.linear(x, maps);
  cut_fused(f, block.spec, fused, fused_ba, mixed, z, ba);
}

}  // namespace

LayerCache cache_of(const arch::DeltaSpec& spec) {
  return {.kv = {}, .states = {{spec.conv_kernel - 1, spec.conv_channels()}, {spec.value_heads * spec.key_dim, spec.value_dim}}};
}

// Decay and beta come through exponentials: their small maps run exactly, like routers.
Status bind_block(Binder& binder, const std::string& prefix, const arch::DeltaSpec& d, GatedDelta* block) {
  using kernels::Precision;
  block->spec = d;
  const std::int64_t hidden = binder.hidden();
  if (d.interleaved) {
    JANG_TRY(binder.take(prefix + "in_proj_qkvz", d.conv_channels() + d.v_size(), hidden, binder.precision(), &block->qkvz));
    JANG_TRY(binder.take(prefix + "in_proj_ba", 2 * d.value_heads, hidden, Precision::exact, &block->ba));
  } else {
    JANG_TRY(binder.take(prefix + "in_proj_qkv", d.conv_channels(), hidden, binder.precision(), &block->qkv));
    JANG_TRY(binder.take(prefix + "in_proj_z", d.v_size(), hidden, binder.precision(), &block->z));
    JANG_TRY(binder.take(prefix + "in_proj_b", d.value_heads, hidden, Precision::exact, &block->b));
    JANG_TRY(binder.take(prefix + "in_proj_a", d.value_heads, hidden, Precision::exact, &block->a));
  }
  JANG_TRY(binder.take(prefix + "out_proj", hidden, d.v_size(), binder.precision(), &block->out));
  JANG_TRY(binder.vector(prefix + "conv1d.weight", d.conv_channels() * d.conv_kernel, &block->conv));
  block->conv = block->conv.with_columns(d.conv_kernel);
  JANG_TRY(binder.vector(prefix + "A_log", d.value_heads, &block->a_log));
  JANG_TRY(binder.vector(prefix + "dt_bias", d.value_heads, &block->dt_bias));
  return binder.vector(prefix + "norm.weight", d.value_dim, &block->norm);
}

Status reserve(Forward& f, const GatedDelta& block, int layer) {
  const arch::DeltaSpec& c = block.spec;
  const std::int64_t mixed = f.n * c.conv_channels(), values = f.n * c.v_size(), ba = f.n * 2 * c.value_heads;
  kernels::Device& d = f.device;
  Workspace& w = f.workspace;
  bool room = w.mixed.reserve(d, mixed) && w.qkv.reserve(d, mixed) && w.z.reserve(d, values) && w.ba.reserve(d, ba) &&
              w.attended.reserve(d, values);
  if (c.interleaved) room = room && w.fused.reserve(d, mixed + values) && w.fused_ba.reserve(d, ba);
  if (f.kept != nullptr) room = room && f.kept->qkv.reserve(d, mixed) && f.kept->ba.reserve(d, ba) && f.kept->mixed.reserve(d, values);
  return room ? f.ready_states(layer) : f.out_of_memory();
}

void run(Forward& f, const GatedDelta& block, int layer) {
  const arch::DeltaSpec& c = block.spec;
  const Workspace& w = f.workspace;
  const Tensor x = w.normed.matrix(f.n, f.hidden), mixed = w.mixed.matrix(f.n, c.conv_channels());
  const Tensor qkv = w.qkv.matrix(f.n, c.conv_channels()), z = w.z.matrix(f.n, c.v_size());
  const Tensor ba = w.ba.matrix(f.n, 2 * c.value_heads), o = w.attended.matrix(f.n, c.v_size());
  project(f, block, x, mixed, z, ba);

  const std::vector<std::vector<Tensor>> states = f.take_states(layer);  // of the convolution, of the rule
  f.device.conv({mixed, qkv, block.conv, states[0]}, f.runs);
  if (f.kept != nullptr) {
    f.device.copy(qkv, f.kept->qkv.matrix(f.n, c.conv_channels()));
    f.device.copy(ba, f.kept->ba.matrix(f.n, 2 * c.value_heads));
  }
  f.device.delta({.key_heads = c.key_heads,
                  .value_heads = c.value_heads,
                  .key_dim = c.key_dim,
                  .value_dim = c.value_dim,
                  .qkv = qkv,
                  .ba = ba,
                  .a_log = block.a_log,
                  .dt_bias = block.dt_bias,
                  .states = states[1],
                  .out = o},
                 f.runs);
  if (f.kept != nullptr) f.device.copy(o, f.kept->mixed.matrix(f.n, c.v_size()));
  const Tensor heads = o.with_columns(c.value_dim);
  f.device.add_norm({.x = heads, .norm = block.norm, .out = heads, .eps = f.norm.eps});
  f.device.glu(kernels::Activation::silu, z, o, o);
  f.see({&block.out}, -1, o);
  const kernels::LinearOut out[] = {{block.out.weight.get(), w.branch.matrix(f.n, f.hidden)}};
  f.device.linear(o, out);
}

}  // namespace jang::model
