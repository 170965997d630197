// SPDX-License-Identifier: Apache-2.0
// Latent attention, absorbed for any number of tokens: prefill and decode are one formula.
#include "model/blocks/latent_attention.h"

#include <algorithm>
#include <vector>

#include "kernels/backward.h"
#include "model/bind.h"
#include "model/blocks/query_scale.h"

namespace jang::model {
namespace {

using kernels::ColumnCopy;
using kernels::Routing;
using kernels::Tensor;

constexpr std::size_t kKeys = 0, kValues = 1;  // slices of kv_b

// Every token goes to every head: slot h * n + t.
Routing heads_of(const Forward& f, const arch::LatentSpec& s) {
  Routing routing;
  routing.tokens = f.workspace.head_tokens.matrix(f.n * s.n_heads, 1, DType::i32);
  routing.begin = f.workspace.head_begin.matrix(s.n_heads + 1, 1, DType::i32);
  return routing;
}

Status write_heads(Forward& f, const arch::LatentSpec& s) {
  const Routing routing = heads_of(f, s);
  std::vector<std::int32_t> begin, tokens;
  for (std::int64_t h = 0; h <= s.n_heads; ++h) begin.push_back(static_cast<std::int32_t>(h * f.n));
  for (std::int64_t h = 0; h < s.n_heads; ++h)
    for (std::int64_t t = 0; t < f.n; ++t) tokens.push_back(static_cast<std::int32_t>(t));
  JANG_TRY(f.device.write(begin.data(), routing.begin));
  return f.device.write(tokens.data(), routing.tokens);
}

// Queries of all heads, as q_proj gives them.
void make_queries(Forward& f, const LatentAttention& block, const Tensor& x, const Tensor& queries) {
  const arch::LatentSpec& s = block.spec;
  if (s.q_rank == 0) {
    const kernels::LinearOut direct[] = {{block.q.weight.get(), queries}};
    return f.device.linear(x, direct);
  }
  const Tensor latent = f.workspace.q_latent.matrix(f.n, s.q_rank);
  const kernels::LinearOut down[] = {{block.q_a.weight.get(), latent}};
  f.device.linear(x, down);
  if (f.kept != nullptr) f.device.copy(latent, f.kept->q_latent.matrix(f.n, s.q_rank));
  f.device.add_norm({.x = latent, .norm = block.q_norm, .out = latent, .eps = s.eps, .offset = 0});
  f.see({&block.q_b}, -1, latent);
  const kernels::LinearOut up[] = {{block.q_b.weight.get(), queries}};
  f.device.linear(latent, up);
}

// The row [r, c] of every position, r not rotated yet.
void make_row(Forward& f, const LatentAttention& block, const Tensor& x, const Tensor& row) {
  const arch::LatentSpec& s = block.spec;
  const Tensor both = f.workspace.fused.matrix(f.n, s.row()), latent = f.workspace.latent.matrix(f.n, s.kv_rank);
  const kernels::LinearOut down[] = {{block.kv_a.weight.get(), both}};
  f.device.linear(x, down);
  std::vector<ColumnCopy> cuts = {{0, s.kv_rank, latent, 0}};
  add_to_halves(s, s.kv_rank, row, 0, &cuts);
  f.device.copy_columns(both, cuts);
  if (f.kept != nullptr) f.device.copy(latent, f.kept->latent.matrix(f.n, s.kv_rank));
  f.device.add_norm({.x = latent, .norm = block.latent_norm, .out = latent, .eps = s.eps, .offset = 0});
  f.see({&block.kv_b}, -1, latent);
  const ColumnCopy join[] = {{0, s.kv_rank, row, s.rope_dim}};
  f.device.copy_columns(latent, join);
}

// [p_h, K_h^T q_h] of every head, p_h not rotated yet.
void absorb(Forward& f, const LatentAttention& block, const Tensor& queries, const Tensor& asked) {
  const arch::LatentSpec& s = block.spec;
  const Tensor q_slots = f.workspace.q_slots.matrix(f.n * s.n_heads, s.nope_dim);
  const Tensor latent_slots = f.workspace.latent_slots.matrix(f.n * s.n_heads, s.kv_rank);
  std::vector<ColumnCopy> cuts;
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    cuts.push_back({h * s.key_dim(), s.nope_dim, q_slots.row_range(h * f.n, f.n), 0});
    add_to_halves(s, h * s.key_dim() + s.nope_dim, asked, h * s.row(), &cuts);
  }
  f.device.copy_columns(queries, cuts);
  const kernels::LinearGradient keys[] = {{block.kv_b.slices[kKeys].weight.get(), q_slots}};
  f.device.backward()->expert_linear(keys, heads_of(f, s), false, latent_slots);
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    const ColumnCopy join[] = {{0, s.kv_rank, asked, h * s.row() + s.rope_dim}};
    f.device.copy_columns(latent_slots.row_range(h * f.n, f.n), join);
  }
}

// V_h of what every head has got, head by head in `values`.
void apply_values(Forward& f, const LatentAttention& block, const Tensor& got, const Tensor& values) {
  const arch::LatentSpec& s = block.spec;
  const Tensor latent_slots = f.workspace.latent_slots.matrix(f.n * s.n_heads, s.kv_rank);
  const Tensor value_slots = f.workspace.value_slots.matrix(f.n * s.n_heads, s.value_dim);
  std::vector<ColumnCopy> cuts;
  for (std::int64_t h = 0; h < s.n_heads; ++h)
    cuts.push_back({h * s.row() + s.rope_dim, s.kv_rank, latent_slots.row_range(h * f.n, f.n), 0});
  f.device.copy_columns(got, cuts);
  const kernels::LinearOut maps[] = {{block.kv_b.slices[kValues].weight.get(), value_slots}};
  f.device.expert_linear(latent_slots, true, heads_of(f, s), maps);
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    const ColumnCopy join[] = {{0, s.value_dim, values, h * s.value_dim}};
    f.device.copy_columns(value_slots.row_range(h * f.n, f.n), join);
  }
}

}  // namespace

void add_to_halves(const arch::LatentSpec& s, std::int64_t from_column, const Tensor& to, std::int64_t to_column,
                   std::vector<ColumnCopy>* copies) {
  const std::int64_t half = s.rope_dim / 2;
  if (!s.interleaved) return copies->push_back({from_column, s.rope_dim, to, to_column});
  for (std::int64_t j = 0; j < half; ++j) {
    copies->push_back({from_column + 2 * j, 1, to, to_column + j});
    copies->push_back({from_column + 2 * j + 1, 1, to, to_column + half + j});
  }
}

void add_from_halves(const arch::LatentSpec& s, std::int64_t from_column, const Tensor& to, std::int64_t to_column,
                     std::vector<ColumnCopy>* copies) {
  const std::int64_t half = s.rope_dim / 2;
  if (!s.interleaved) return copies->push_back({from_column, s.rope_dim, to, to_column});
  for (std::int64_t j = 0; j < half; ++j) {
    copies->push_back({from_column + j, 1, to, to_column + 2 * j});
    copies->push_back({from_column + half + j, 1, to, to_column + 2 * j + 1});
  }
}

LayerCache cache_of(const arch::LatentSpec& spec) {
  return {.kv = {.heads = 1, .key_dim = spec.row(), .value_dim = spec.row()}, .states = {}};
}

Status bind_block(Binder& binder, const std::string& prefix, const arch::LatentSpec& spec, LatentAttention* block) {
  if (binder.device().backward() == nullptr) return refuse(prefix, "latent attention on a device without gradients");
  block->spec = spec;
  const std::int64_t hidden = binder.hidden(), head = spec.nope_dim + spec.value_dim;
  const kernels::Precision precision = binder.precision();
  if (spec.q_rank == 0) {
    JANG_TRY(binder.take(prefix + "q_proj", spec.q_size(), hidden, precision, &block->q));
  } else {
    JANG_TRY(binder.take(prefix + "q_a_proj", spec.q_rank, hidden, precision, &block->q_a));
    JANG_TRY(binder.vector(prefix + "q_a_layernorm.weight", spec.q_rank, &block->q_norm));
    JANG_TRY(binder.take(prefix + "q_b_proj", spec.q_size(), spec.q_rank, precision, &block->q_b));
  }
  JANG_TRY(binder.take(prefix + "kv_a_proj_with_mqa", spec.row(), hidden, precision, &block->kv_a));
  JANG_TRY(binder.vector(prefix + "kv_a_layernorm.weight", spec.kv_rank, &block->latent_norm));
  block->kv_b.slices.push_back({head, 0, spec.nope_dim, nullptr});
  block->kv_b.slices.push_back({head, spec.nope_dim, spec.value_dim, nullptr});
  JANG_TRY(binder.take(prefix + "kv_b_proj", spec.kv_size(), spec.kv_rank, precision, &block->kv_b));
  return binder.take(prefix + "o_proj", hidden, spec.out_size(), precision, &block->o);
}

Status reserve(Forward& f, const LatentAttention& block, int /*layer*/) {
  const arch::LatentSpec& s = block.spec;
  const std::int64_t n = f.n, slots = n * s.n_heads;
  kernels::Device& d = f.device;
  Workspace& w = f.workspace;
  bool room = w.queries.reserve(d, n * s.q_size()) && w.latent.reserve(d, n * s.kv_rank) && w.kv_row.reserve(d, n * s.row()) &&
              w.fused.reserve(d, n * s.row()) && w.k.reserve(d, n * s.row()) && w.q.reserve(d, slots * s.row()) &&
              w.attended.reserve(d, slots * s.row()) && w.v.reserve(d, n * s.out_size()) && w.q_slots.reserve(d, slots * s.nope_dim) &&
              w.latent_slots.reserve(d, slots * s.kv_rank) && w.value_slots.reserve(d, slots * s.value_dim) &&
              w.head_begin.reserve(d, s.n_heads + 1, DType::i32) && w.head_tokens.reserve(d, slots, DType::i32);
  if (s.q_rank > 0) room = room && w.q_latent.reserve(d, n * s.q_rank);
  if (f.kept != nullptr)
    room = room && f.kept->latent.reserve(d, n * s.kv_rank) && f.kept->q_latent.reserve(d, n * std::max<std::int64_t>(s.q_rank, 1));
  if (!room) return f.out_of_memory();
  JANG_TRY(reserve_scale(f, s.query_scale, s.q_size()));
  return f.rotations.turn_to(s.rope, f.runs, f.n);
}

void run(Forward& f, const LatentAttention& block, int layer) {
  const arch::LatentSpec& s = block.spec;
  const Workspace& w = f.workspace;
  const Tensor x = w.normed.matrix(f.n, f.hidden), queries = w.queries.matrix(f.n, s.q_size());
  const Tensor k = w.k.matrix(f.n, s.row()), v = w.kv_row.matrix(f.n, s.row());
  const Tensor asked = w.q.matrix(f.n, s.n_heads * s.row()), got = w.attended.matrix(f.n, s.n_heads * s.row());
  const Tensor values = w.v.matrix(f.n, s.out_size());

  if (!write_heads(f, s).ok()) return;  // the end of the forward reports it
  f.see({s.q_rank > 0 ? &block.q_a : &block.q, &block.kv_a}, -1, x);
  make_queries(f, block, x, queries);
  scale_queries(f, s.query_scale, queries);
  make_row(f, block, x, k);
  f.device.copy(k, v);
  absorb(f, block, queries, asked);
  const kernels::KvLayer& cache = f.batch.front().sequence->pool().layer(layer).kv;
  f.device.rope_store(
      {.q = asked, .k = k, .v = v, .cosines = f.rotations.cosines(s.rope, f.n), .sines = f.rotations.sines(s.rope, f.n), .cache = cache},
      f.kv());
  f.device.attend({.q = asked, .out = got, .heads = s.n_heads, .window = 0, .scale = s.scale, .softcap = 0, .cache = cache}, f.kv());
  apply_values(f, block, got, values);
  f.see({&block.o}, -1, values);
  const kernels::LinearOut out[] = {{block.o.weight.get(), w.branch.matrix(f.n, f.hidden)}};
  f.device.linear(values, out);
}

}  // namespace jang::model
