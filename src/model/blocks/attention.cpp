// SPDX-License-Identifier: Apache-2.0
// Attention: maps bound by name, queries and keys rotated and stored, attention over the pages, the output map.
#include "model/blocks/attention.h"

#include "model/bind.h"

namespace jang::model {
namespace {

using kernels::Tensor;

Status check_spec(const std::string& block, const arch::AttentionSpec& s) {
  if (s.sinks) return refuse(block, "sinks");
  if (s.value_dim != s.key_dim) return refuse(block, "a value_dim other than key_dim");
  return {};
}

// q_proj's columns of gated attention: the query of every head, then its gate.
void cut_gates(Forward& f, const arch::AttentionSpec& s, const Tensor& both, const Tensor& q, const Tensor& gate) {
  const std::int64_t head = s.key_dim + s.value_dim;
  std::vector<kernels::ColumnCopy> cuts;
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    cuts.push_back({h * head, s.key_dim, q, h * s.key_dim});
    cuts.push_back({h * head + s.key_dim, s.value_dim, gate, h * s.value_dim});
  }
  f.device.copy_columns(both, cuts);
}

}  // namespace

LayerCache cache_of(const arch::AttentionSpec& spec) {
  return {.kv = {.heads = spec.n_kv_heads, .key_dim = spec.key_dim, .value_dim = spec.value_dim}, .states = {}};
}

Status bind_block(Binder& binder, const std::string& prefix, const arch::AttentionSpec& spec, Attention* block) {
  JANG_TRY(check_spec(prefix, spec));
  block->spec = spec;
  const std::int64_t hidden = binder.hidden(), q = spec.gated ? spec.q_size() + spec.out_size() : spec.q_size();
  JANG_TRY(binder.take(prefix + "q_proj", q, hidden, binder.precision(), &block->q));
  JANG_TRY(binder.take(prefix + "k_proj", spec.k_size(), hidden, binder.precision(), &block->k));
  JANG_TRY(binder.take(prefix + "v_proj", spec.v_size(), hidden, binder.precision(), &block->v));
  JANG_TRY(binder.take(prefix + "o_proj", hidden, spec.out_size(), binder.precision(), &block->o));
  if (!spec.qk_norm) return {};
  JANG_TRY(binder.vector(prefix + "q_norm.weight", spec.qk_norm_rows ? spec.q_size() : spec.key_dim, &block->q_norm));
  return binder.vector(prefix + "k_norm.weight", spec.qk_norm_rows ? spec.k_size() : spec.key_dim, &block->k_norm);
}

Status reserve(Forward& f, const Attention& block, int /*layer*/) {
  const arch::AttentionSpec& s = block.spec;
  const std::int64_t q = f.n * s.q_size(), k = f.n * s.k_size(), out = f.n * s.out_size();
  kernels::Device& d = f.device;
  Workspace& w = f.workspace;
  bool room = w.q.reserve(d, q) && w.k.reserve(d, k) && w.v.reserve(d, f.n * s.v_size()) && w.attended.reserve(d, out);
  if (s.gated) room = room && w.q_gate.reserve(d, q + out) && w.gate.reserve(d, out);
  if (f.kept != nullptr) room = room && f.kept->q.reserve(d, q) && f.kept->k.reserve(d, k) && f.kept->attended.reserve(d, out);
  if (!room) return f.out_of_memory();
  return f.rotations.turn_to(s.rope, f.runs, f.n);
}

void run(Forward& f, const Attention& block, int layer) {
  const arch::AttentionSpec& s = block.spec;
  const Workspace& w = f.workspace;
  const Tensor x = w.normed.matrix(f.n, f.hidden), q = w.q.matrix(f.n, s.q_size()), attended = w.attended.matrix(f.n, s.out_size());
  const Tensor k = w.k.matrix(f.n, s.k_size()), v = w.v.matrix(f.n, s.v_size());
  const Tensor q_out = s.gated ? w.q_gate.matrix(f.n, s.q_size() + s.out_size()) : q;
  const Tensor gate = s.gated ? w.gate.matrix(f.n, s.out_size()) : Tensor();

  f.see({&block.q, &block.k, &block.v}, -1, x);
  const kernels::LinearOut maps[] = {{block.q.weight.get(), q_out}, {block.k.weight.get(), k}, {block.v.weight.get(), v}};
  f.device.linear(x, maps);
  if (s.gated) cut_gates(f, s, q_out, q, gate);
  if (f.kept != nullptr && s.qk_norm) {
    f.device.copy(q, f.kept->q.matrix(f.n, s.q_size()));
    f.device.copy(k, f.kept->k.matrix(f.n, s.k_size()));
  }

  if (s.qk_norm_rows) {  // before the heads are looked at one by one
    f.device.add_norm({.x = q, .norm = block.q_norm, .out = q, .eps = f.norm.eps, .offset = f.norm.offset});
    f.device.add_norm({.x = k, .norm = block.k_norm, .out = k, .eps = f.norm.eps, .offset = f.norm.offset});
  }
  const bool by_head = s.qk_norm && !s.qk_norm_rows;
  const kernels::KvLayer& cache = f.batch.front().sequence->pool().layer(layer).kv;
  f.device.rope_store({.q = q,
                       .k = k,
                       .v = v,
                       .q_norm = by_head ? block.q_norm : Tensor(),
                       .k_norm = by_head ? block.k_norm : Tensor(),
                       .eps = f.norm.eps,
                       .offset = f.norm.offset,
                       .cosines = f.rotations.cosines(s.rope, f.n),
                       .sines = f.rotations.sines(s.rope, f.n),
                       .cache = cache},
                      f.kv());
  f.device.attend({.q = q, .out = attended, .heads = s.n_heads, .window = s.window, .scale = s.scale, .softcap = s.softcap, .cache = cache},
                  f.kv());
  if (f.kept != nullptr && s.gated) f.device.copy(attended, f.kept->attended.matrix(f.n, s.out_size()));
  if (s.gated) f.device.glu(kernels::Activation::sigmoid, gate, attended, attended);
  f.see({&block.o}, -1, attended);
  const kernels::LinearOut out[] = {{block.o.weight.get(), w.branch.matrix(f.n, f.hidden)}};
  f.device.linear(attended, out);
}

}  // namespace jang::model
