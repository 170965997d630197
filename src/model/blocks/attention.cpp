// SPDX-License-Identifier: Apache-2.0
// Attention: maps bound by name, queries and keys rotated and stored, attention over the pages, the output map.
#include "model/blocks/attention.h"

#include "model/bind.h"

namespace jang::model {
namespace {

using kernels::Tensor;

// q_proj's columns of gated attention: the query of every head, then its gate.
void cut_gates(Forward& f, const Tensor& both, const Tensor& q, const Tensor& gate) {
  const std::int64_t dim = f.config.head_dim;
  std::vector<kernels::ColumnCopy> cuts;
  for (std::int64_t h = 0; h < f.config.n_heads; ++h) {
    cuts.push_back({2 * h * dim, dim, q, h * dim});
    cuts.push_back({(2 * h + 1) * dim, dim, gate, h * dim});
  }
  f.device.copy_columns(both, cuts);
}

}  // namespace

Status bind_block(Binder& binder, const std::string& prefix, Attention* block) {
  const arch::DecoderConfig& c = binder.config();
  const std::int64_t q = c.n_heads * c.head_dim, kv = c.n_kv_heads * c.head_dim;
  const std::string at = prefix + "self_attn.";
  JANG_TRY(binder.take(at + "q_proj", c.gated_attention ? 2 * q : q, c.hidden, binder.precision(), &block->q));
  JANG_TRY(binder.take(at + "k_proj", kv, c.hidden, binder.precision(), &block->k));
  JANG_TRY(binder.take(at + "v_proj", kv, c.hidden, binder.precision(), &block->v));
  JANG_TRY(binder.take(at + "o_proj", c.hidden, q, binder.precision(), &block->o));
  if (!c.qk_norm) return {};
  JANG_TRY(binder.vector(at + "q_norm.weight", c.head_dim, &block->q_norm));
  return binder.vector(at + "k_norm.weight", c.head_dim, &block->k_norm);
}

bool reserve(Forward& f, const Attention&) {
  const arch::DecoderConfig& c = f.config;
  const std::int64_t q = f.n * c.n_heads * c.head_dim, kv = f.n * c.n_kv_heads * c.head_dim;
  Workspace& w = f.workspace;
  if (c.gated_attention && (!w.q_gate.reserve(f.device, 2 * q) || !w.gate.reserve(f.device, q))) return false;
  if (f.kept != nullptr && !(f.kept->q.reserve(f.device, q) && f.kept->k.reserve(f.device, kv) && f.kept->attended.reserve(f.device, q)))
    return false;
  return w.q.reserve(f.device, q) && w.k.reserve(f.device, kv) && w.v.reserve(f.device, kv) && w.attended.reserve(f.device, q);
}

void run(Forward& f, const Attention& block, int layer) {
  const arch::DecoderConfig& c = f.config;
  const std::int64_t q_size = c.n_heads * c.head_dim, kv_size = c.n_kv_heads * c.head_dim;
  const bool sliding = c.layers[static_cast<std::size_t>(layer)] == arch::LayerKind::sliding_attention;
  const Workspace& w = f.workspace;
  const Tensor x = w.normed.matrix(f.n, c.hidden), q = w.q.matrix(f.n, q_size), attended = w.attended.matrix(f.n, q_size);
  const Tensor k = w.k.matrix(f.n, kv_size), v = w.v.matrix(f.n, kv_size);
  const Tensor q_out = c.gated_attention ? w.q_gate.matrix(f.n, 2 * q_size) : q;
  const Tensor gate = c.gated_attention ? w.gate.matrix(f.n, q_size) : Tensor();

  f.see({&block.q, &block.k, &block.v}, -1, x);
  const kernels::LinearOut maps[] = {{block.q.weight.get(), q_out}, {block.k.weight.get(), k}, {block.v.weight.get(), v}};
  f.device.linear(x, maps);
  if (c.gated_attention) cut_gates(f, q_out, q, gate);
  if (f.kept != nullptr && c.qk_norm) {
    f.device.copy(q, f.kept->q.matrix(f.n, q_size));
    f.device.copy(k, f.kept->k.matrix(f.n, kv_size));
  }

  const kernels::KvLayer& cache = f.batch.front().sequence->pool().layer(layer);
  const std::int64_t half = (sliding ? c.local_rope : c.rope).dims / 2;
  f.device.rope_store({.q = q,
                       .k = k,
                       .v = v,
                       .q_norm = block.q_norm,
                       .k_norm = block.k_norm,
                       .eps = c.norm_eps,
                       .offset = c.norm_offset,
                       .cosines = (sliding ? w.local_cosines : w.cosines).matrix(f.n, half),
                       .sines = (sliding ? w.local_sines : w.sines).matrix(f.n, half),
                       .cache = cache},
                      f.kv());
  f.device.attend({.q = q,
                   .out = attended,
                   .heads = c.n_heads,
                   .window = sliding ? c.window : 0,
                   .scale = c.attention_scale,
                   .softcap = c.attention_softcap,
                   .cache = cache},
                  f.kv());
  if (f.kept != nullptr && c.gated_attention) f.device.copy(attended, f.kept->attended.matrix(f.n, q_size));
  if (c.gated_attention) f.device.glu(kernels::Activation::sigmoid, gate, attended, attended);
  f.see({&block.o}, -1, attended);
  const kernels::LinearOut out[] = {{block.o.weight.get(), w.branch.matrix(f.n, c.hidden)}};
  f.device.linear(attended, out);
}

}  // namespace jang::model
