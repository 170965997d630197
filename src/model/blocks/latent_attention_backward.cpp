// SPDX-License-Identifier: Apache-2.0
// Backward of latent attention, through the formula that is not absorbed: keys and values of every head are made of the latents once more,
// which gives kv_b_proj its gradient as a map. Rotated parts lie in front of a head's key here, as they do in the kept row.
#include "model/blocks/latent_attention_backward.h"

#include <algorithm>
#include <vector>

#include "model/blocks/query_scale.h"

namespace jang::model {
namespace {

using kernels::ColumnCopy;
using kernels::LinearGradient;
using kernels::Tensor;

struct Whole {
  Tensor q, k, v;  // [n, heads * key_dim], the same, [n, heads * value_dim]
};

// Queries, keys and values of all heads, rotated.
void make_whole(Forward& f, const LatentAttention& block, const Tensor& kv, const Whole& whole) {
  const arch::LatentSpec& s = block.spec;
  const Workspace& w = f.workspace;
  const kernels::LinearOut up[] = {{block.kv_b.weight.get(), kv}};
  f.device.linear(w.latent.matrix(f.n, s.kv_rank), up);
  std::vector<ColumnCopy> of_asked, of_queries, of_kv, of_row;
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    const std::int64_t at = h * s.key_dim(), in_kv = h * (s.nope_dim + s.value_dim);
    of_asked.push_back({h * s.row(), s.rope_dim, whole.q, at});
    of_queries.push_back({at, s.nope_dim, whole.q, at + s.rope_dim});
    of_row.push_back({0, s.rope_dim, whole.k, at});
    of_kv.push_back({in_kv, s.nope_dim, whole.k, at + s.rope_dim});
    of_kv.push_back({in_kv + s.nope_dim, s.value_dim, whole.v, h * s.value_dim});
  }
  f.device.copy_columns(w.q.matrix(f.n, s.n_heads * s.row()), of_asked);
  f.device.copy_columns(w.queries.matrix(f.n, s.q_size()), of_queries);
  f.device.copy_columns(w.k.matrix(f.n, s.row()), of_row);
  f.device.copy_columns(kv, of_kv);
}

// Gradients of rotated queries and keys become those of queries as q_proj gives them, and of kv_a_proj_with_mqa's rotated part.
void turn_back(BackwardPass& pass, const LatentAttention& block, const Tensor& dq, const Tensor& dk, const Tensor& dqueries,
               const Tensor& dboth) {
  Forward& f = pass.forward;
  const arch::LatentSpec& s = block.spec;
  const Tensor dr = f.workspace.k.matrix(f.n, s.row()).column_range(0, s.rope_dim);  // of all heads; keys are not needed any more
  f.device.copy(dk.column_range(0, s.rope_dim), dr);
  for (std::int64_t h = 1; h < s.n_heads; ++h) pass.ops.add(dk.column_range(h * s.key_dim(), s.rope_dim), dr);
  kernels::RopeGradient rope{
      .cosines = f.rotations.cosines(s.rope, f.n), .sines = f.rotations.sines(s.rope, f.n), .head_dim = s.key_dim(), .d = dq};
  pass.ops.rope(rope);
  rope.head_dim = s.rope_dim;
  rope.d = dr;
  pass.ops.rope(rope);
  std::vector<ColumnCopy> queries, row;
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    const std::int64_t at = h * s.key_dim();
    queries.push_back({at + s.rope_dim, s.nope_dim, dqueries, at});
    add_from_halves(s, at, dqueries, at + s.nope_dim, &queries);
  }
  f.device.copy_columns(dq, queries);
  add_from_halves(s, 0, dboth, s.kv_rank, &row);
  f.device.copy_columns(dr, row);
}

// From keys and values of the heads to the latent, and through its norm.
void through_latent(BackwardPass& pass, const LatentAttention& block, const Tensor& dk, const Tensor& dv, const Tensor& dkv,
                    const Tensor& dboth) {
  Forward& f = pass.forward;
  const arch::LatentSpec& s = block.spec;
  const Tensor dlatent = pass.space.latent.matrix(f.n, s.kv_rank);
  std::vector<ColumnCopy> keys, values;
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    const std::int64_t in_kv = h * (s.nope_dim + s.value_dim);
    keys.push_back({h * s.key_dim() + s.rope_dim, s.nope_dim, dkv, in_kv});
    values.push_back({h * s.value_dim, s.value_dim, dkv, in_kv + s.nope_dim});
  }
  f.device.copy_columns(dk, keys);
  f.device.copy_columns(dv, values);
  pass.weight(block.kv_b, dkv, f.workspace.latent.matrix(f.n, s.kv_rank));
  const LinearGradient up[] = {{block.kv_b.weight.get(), dkv}};
  pass.ops.linear(up, false, dlatent);
  pass.ops.norm(
      {.x = f.kept->latent.matrix(f.n, s.kv_rank), .norm = block.latent_norm, .dout = dlatent, .dx = dlatent, .eps = s.eps, .offset = 0});
  const ColumnCopy join[] = {{0, s.kv_rank, dboth, 0}};
  f.device.copy_columns(dlatent, join);
}

bool reserve_all(BackwardPass& pass, const arch::LatentSpec& s) {
  GradientSpace& g = pass.space;
  const std::int64_t n = pass.forward.n;
  return pass.reserve(&g.whole_q, n, s.q_size()) && pass.reserve(&g.whole_k, n, s.q_size()) && pass.reserve(&g.whole_v, n, s.out_size()) &&
         pass.reserve(&g.q, n, s.q_size()) && pass.reserve(&g.k, n, s.q_size()) && pass.reserve(&g.v, n, s.out_size()) &&
         pass.reserve(&g.attended, n, s.out_size()) && pass.reserve(&g.kv, n, s.kv_size()) && pass.reserve(&g.fused, n, s.row()) &&
         pass.reserve(&g.latent, n, s.kv_rank) && pass.reserve(&g.queries, n, s.q_size()) &&
         pass.reserve(&g.q_latent, n, std::max<std::int64_t>(s.q_rank, 1));
}

}  // namespace

void backward(BackwardPass& pass, const LatentAttention& block, int /*layer*/, const Tensor& x, const Tensor& dout, const Tensor& dx) {
  Forward& f = pass.forward;
  const arch::LatentSpec& s = block.spec;
  GradientSpace& g = pass.space;
  if (!reserve_all(pass, s)) return;
  const Whole whole{g.whole_q.matrix(f.n, s.q_size()), g.whole_k.matrix(f.n, s.q_size()), g.whole_v.matrix(f.n, s.out_size())};
  const Tensor dq = g.q.matrix(f.n, s.q_size()), dk = g.k.matrix(f.n, s.q_size()), dv = g.v.matrix(f.n, s.out_size());
  const Tensor dvalues = g.attended.matrix(f.n, s.out_size()), kv = g.kv.matrix(f.n, s.kv_size());
  const Tensor dboth = g.fused.matrix(f.n, s.row()), dqueries = g.queries.matrix(f.n, s.q_size());

  pass.weight(block.o, dout, f.workspace.v.matrix(f.n, s.out_size()));
  const LinearGradient out[] = {{block.o.weight.get(), dout}};
  pass.ops.linear(out, false, dvalues);
  make_whole(f, block, kv, whole);
  pass.ops.attend({.q = whole.q,
                   .k = whole.k,
                   .v = whole.v,
                   .dout = dvalues,
                   .dq = dq,
                   .dk = dk,
                   .dv = dv,
                   .heads = s.n_heads,
                   .kv_heads = s.n_heads,
                   .window = 0,
                   .scale = s.scale,
                   .softcap = 0},
                  f.runs);
  turn_back(pass, block, dq, dk, dqueries, dboth);
  scale_queries(f, s.query_scale, dqueries);
  through_latent(pass, block, dk, dv, kv, dboth);

  Tensor down = dqueries;  // gradient of the map of x that queries begin with
  if (s.q_rank > 0) {
    down = g.q_latent.matrix(f.n, s.q_rank);
    pass.weight(block.q_b, dqueries, f.workspace.q_latent.matrix(f.n, s.q_rank));
    const LinearGradient up[] = {{block.q_b.weight.get(), dqueries}};
    pass.ops.linear(up, false, down);
    pass.ops.norm({.x = f.kept->q_latent.matrix(f.n, s.q_rank), .norm = block.q_norm, .dout = down, .dx = down, .eps = s.eps, .offset = 0});
  }
  const Linear& first = s.q_rank > 0 ? block.q_a : block.q;
  const MapGradient weights[] = {{&first, -1, down, x}, {&block.kv_a, -1, dboth, x}};
  pass.weights(weights);
  const LinearGradient maps[] = {{first.weight.get(), down}, {block.kv_a.weight.get(), dboth}};
  pass.ops.linear(maps, false, dx);
}

}  // namespace jang::model
