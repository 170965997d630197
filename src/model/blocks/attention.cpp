// SPDX-License-Identifier: Apache-2.0
// Attention: maps bound by name, queries and keys rotated and stored, attention over the pages, the output map.
#include "model/blocks/attention.h"

#include <algorithm>

#include "model/bind.h"
#include "model/blocks/query_scale.h"

namespace jang::model {
namespace {

using kernels::Tensor;

Status check_spec(const std::string& block, const arch::AttentionSpec& s) {
  if (s.value_dim != s.key_dim) return refuse(block, "a value_dim other than key_dim");
  if (s.gated && s.maps != arch::QkvMaps::apart) return refuse(block, "gated attention with one map for queries, keys and values");
  if (s.qk_norm_of_rows && s.qk_norm_last) return refuse(block, "qk_norm_of_rows behind RoPE");
  if (s.kv_of >= 0 && (s.maps != arch::QkvMaps::apart || s.qk_norm_of_rows)) return refuse(block, "keys of another layer with these maps");
  if (s.k_is_v && s.maps != arch::QkvMaps::apart) return refuse(block, "keys that are values with one map for queries, keys and values");
  if (s.chunk % kernels::kPagePositions != 0) return refuse(block, "a chunk that is no number of whole pages");
  if (s.chunk > 0 && s.window > 0) return refuse(block, "a chunk beside a window");
  if (s.qk_norm_of_rows && s.qk_norm_plain) return refuse(block, "qk_norm_of_rows without weights");
  return {};
}

bool norms_heads(const arch::AttentionSpec& s) { return s.qk_norm && !s.qk_norm_of_rows; }

// q and k by their norms over whole rows.
void norm_rows(Forward& f, const Attention& block, const Tensor& q, const Tensor& k) {
  for (const auto& [rows, norm] : {std::pair{q, block.q_norm}, {k, block.k_norm}})
    f.device.add_norm({.x = rows, .norm = norm, .out = rows, .eps = f.norm.eps, .offset = f.norm.offset});
}

// Of the maps of queries, keys and values those that the block has.
std::size_t n_maps(const arch::AttentionSpec& s) { return s.kv_of >= 0 ? 1 : s.k_is_v ? 2 : 3; }

void see_input(Forward& f, const Attention& block, const Tensor& x) {
  if (n_maps(block.spec) == 1) return f.see({&block.q}, -1, x);
  if (n_maps(block.spec) == 2) return f.see({&block.q, &block.k}, -1, x);
  f.see({&block.q, &block.k, &block.v}, -1, x);
}

// v, a head at a time, without a gain.
void norm_values(Forward& f, const arch::AttentionSpec& s, const Tensor& v) {
  const Tensor heads = v.with_columns(s.value_dim);
  f.device.add_norm({.x = heads, .out = heads, .eps = f.norm.eps});
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

std::vector<QkvRange> qkv_ranges(const arch::AttentionSpec& s) {
  if (s.maps == arch::QkvMaps::stacked)
    return {{0, 0, 0, s.q_size()}, {1, s.q_size(), 0, s.k_size()}, {2, s.q_size() + s.k_size(), 0, s.v_size()}};
  std::vector<QkvRange> ranges;
  const std::int64_t queries = s.n_heads / s.n_kv_heads * s.key_dim, group = queries + s.key_dim + s.value_dim;
  for (std::int64_t h = 0; h < s.n_kv_heads; ++h) {
    ranges.push_back({0, h * group, h * queries, queries});
    ranges.push_back({1, h * group + queries, h * s.key_dim, s.key_dim});
    ranges.push_back({2, h * group + queries + s.key_dim, h * s.value_dim, s.value_dim});
  }
  return ranges;
}

ChunkedRuns::ChunkedRuns(const Forward& f, std::int64_t chunk) {
  if (chunk == 0) return;
  for (std::size_t i = 0; i < f.runs.size(); ++i) {
    const kernels::SequenceRun& run = f.runs[i];
    for (std::int64_t done = 0; done < run.n_rows;) {
      const std::int64_t position = run.position + done, begin = position / chunk * chunk;
      const std::int64_t n = std::min(run.n_rows - done, begin + chunk - position);
      runs.push_back({run.first_row + done, n, position - begin});
      if (i < f.pages.size()) pages_.push_back(f.pages[i].subspan(static_cast<std::size_t>(begin / kernels::kPagePositions)));
      done += n;
    }
  }
}

kernels::KvBatch ChunkedRuns::kv(const Forward& f) const { return {f.kv().store, runs, pages_}; }

LayerCache cache_of(const arch::AttentionSpec& spec) {
  const std::int64_t heads = spec.kv_of < 0 ? spec.n_kv_heads : 0;  // those of another layer lie there
  return {.kv = {.heads = heads, .key_dim = spec.key_dim, .value_dim = spec.value_dim}, .states = {}};
}

Status bind_block(Binder& binder, const std::string& prefix, const arch::AttentionSpec& spec, Attention* block) {
  JANG_TRY(check_spec(prefix, spec));
  block->spec = spec;
  const bool own = spec.kv_of < 0;
  const std::int64_t hidden = binder.hidden(), q = spec.gated ? spec.q_size() + spec.out_size() : spec.q_size();
  if (spec.maps == arch::QkvMaps::apart) {
    JANG_TRY(binder.take(prefix + "q_proj", q, hidden, binder.precision(), &block->q));
    if (own) JANG_TRY(binder.take(prefix + "k_proj", spec.k_size(), hidden, binder.precision(), &block->k));
    if (own && !spec.k_is_v) JANG_TRY(binder.take(prefix + "v_proj", spec.v_size(), hidden, binder.precision(), &block->v));
  } else {
    JANG_TRY(binder.take(prefix + "qkv_proj", spec.qkv_size(), hidden, binder.precision(), &block->qkv));
  }
  JANG_TRY(binder.take(prefix + "o_proj", hidden, spec.out_size(), binder.precision(), &block->o));
  if (spec.sinks) {
    JANG_TRY(binder.vector(prefix + "sinks", spec.n_heads, &block->sinks));
    JANG_TRY(binder.device().check(kernels::Attend{.sinks = block->sinks}).with_context("'" + prefix + "sinks'"));
  }
  if (!spec.qk_norm) return {};
  if (spec.qk_norm_plain) {
    JANG_TRY(binder.constant(prefix + "q_norm", spec.key_dim, 1 - binder.norm().offset, &block->q_norm));
    block->k_norm = block->q_norm;
    return {};
  }
  JANG_TRY(binder.vector(prefix + "q_norm.weight", spec.qk_norm_of_rows ? spec.q_size() : spec.key_dim, &block->q_norm));
  if (!own) return {};
  return binder.vector(prefix + "k_norm.weight", spec.qk_norm_of_rows ? spec.k_size() : spec.key_dim, &block->k_norm);
}

Status reserve(Forward& f, const Attention& block, int /*layer*/) {
  const arch::AttentionSpec& s = block.spec;
  const std::int64_t q = f.n * s.q_size(), k = f.n * s.k_size(), out = f.n * s.out_size();
  kernels::Device& d = f.device;
  Workspace& w = f.workspace;
  bool room = w.q.reserve(d, q) && w.k.reserve(d, k) && w.v.reserve(d, f.n * s.v_size()) && w.attended.reserve(d, out);
  if (s.gated) room = room && w.q_gate.reserve(d, q + out) && w.gate.reserve(d, out);
  if (s.maps != arch::QkvMaps::apart) room = room && w.q_gate.reserve(d, f.n * s.qkv_size());
  if (f.kept != nullptr) room = room && f.kept->q.reserve(d, q) && f.kept->k.reserve(d, k) && f.kept->attended.reserve(d, out);
  if (f.kept != nullptr && s.v_norm) room = room && f.kept->v.reserve(d, f.n * s.v_size());
  if (!room) return f.out_of_memory();
  JANG_TRY(reserve_scale(f, s.query_scale, s.q_size()));
  return s.rope == arch::kNoRope ? Status() : f.rotations.turn_to(s.rope, f.runs, f.n);
}

void run(Forward& f, const Attention& block, int layer) {
  const arch::AttentionSpec& s = block.spec;
  const Workspace& w = f.workspace;
  const Tensor x = w.normed.matrix(f.n, f.hidden), q = w.q.matrix(f.n, s.q_size()), attended = w.attended.matrix(f.n, s.out_size());
  const Tensor k = w.k.matrix(f.n, s.k_size()), v = w.v.matrix(f.n, s.v_size());
  const Tensor q_out = s.gated ? w.q_gate.matrix(f.n, s.q_size() + s.out_size()) : q;
  const Tensor gate = s.gated ? w.gate.matrix(f.n, s.out_size()) : Tensor();

  if (s.maps == arch::QkvMaps::apart) {
    see_input(f, block, x);
    const kernels::LinearOut maps[] = {{block.q.weight.get(), q_out}, {block.k.weight.get(), k}, {block.v.weight.get(), v}};
    f.device.linear(x, std::span(maps).first(n_maps(s)));
    if (s.k_is_v) f.device.copy(k, v);
  } else {
    f.see({&block.qkv}, -1, x);
    const Tensor all = w.q_gate.matrix(f.n, s.qkv_size());
    const kernels::LinearOut maps[] = {{block.qkv.weight.get(), all}};
    f.device.linear(x, maps);
    const Tensor parts[] = {q, k, v};
    std::vector<kernels::ColumnCopy> cuts;
    for (const QkvRange& r : qkv_ranges(s)) cuts.push_back({r.column, r.n, parts[r.part], r.part_column});
    f.device.copy_columns(all, cuts);
  }
  if (s.gated) cut_gates(f, s, q_out, q, gate);
  if (f.kept != nullptr && s.qk_norm) {
    f.device.copy(q, f.kept->q.matrix(f.n, s.q_size()));
    f.device.copy(k, f.kept->k.matrix(f.n, s.k_size()));
  }

  if (f.kept != nullptr && s.v_norm) f.device.copy(v, f.kept->v.matrix(f.n, s.v_size()));
  if (s.v_norm && s.kv_of < 0) norm_values(f, s, v);
  if (s.qk_norm_of_rows) norm_rows(f, block, q, k);

  const bool turned = s.rope != arch::kNoRope;
  const CachePool& pool = f.batch.front().sequence->pool();
  const kernels::KvLayer &cache = pool.layer(layer).kv, &read = s.kv_of < 0 ? cache : pool.layer(s.kv_of).kv;
  f.device.rope_store({.q = q,
                       .k = k,
                       .v = v,
                       .q_norm = norms_heads(s) ? block.q_norm : Tensor(),
                       .k_norm = norms_heads(s) ? block.k_norm : Tensor(),
                       .eps = f.norm.eps,
                       .offset = f.norm.offset,
                       .cosines = turned ? f.rotations.cosines(s.rope, f.n) : Tensor(),
                       .sines = turned ? f.rotations.sines(s.rope, f.n) : Tensor(),
                       .interleaved = turned && f.rotations.interleaved(s.rope),
                       .norm_last = s.qk_norm_last,
                       .cache = cache},
                      f.kv());
  scale_queries(f, s.query_scale, q);
  const ChunkedRuns chunks(f, s.chunk);
  f.device.attend({.q = q,
                   .out = attended,
                   .sinks = block.sinks,
                   .heads = s.n_heads,
                   .window = s.window,
                   .scale = s.scale,
                   .softcap = s.softcap,
                   .cache = read},
                  s.chunk > 0 ? chunks.kv(f) : f.kv());
  if (f.kept != nullptr && s.gated) f.device.copy(attended, f.kept->attended.matrix(f.n, s.out_size()));
  if (s.gated) f.device.glu(kernels::Activation::sigmoid, gate, attended, attended);
  f.see({&block.o}, -1, attended);
  const kernels::LinearOut out[] = {{block.o.weight.get(), w.branch.matrix(f.n, f.hidden)}};
  f.device.linear(attended, out);
}

}  // namespace jang::model
