// SPDX-License-Identifier: Apache-2.0
// Backward of attention on the card: blocks of queries against the keys that they see, side by side for as many heads as memory is taken
// for. Scores and their gradients lie in scratch; everything else is products. A key-value head sums block by block, in a block the heads
// of its group in order, so that neither the other texts nor the memory change a bit.
#include <algorithm>

#include "base/checked.h"
#include "kernels/cuda/backward_attention.h"
#include "kernels/cuda/backward_rows.h"
#include "kernels/cuda/cuda_backward.h"

namespace jang::kernels::cuda {
namespace {

constexpr std::int64_t kQueries = 512;                            // of a block
constexpr std::int64_t kScratchFloats = std::int64_t{128} << 20;  // that groups share, unless one alone takes more
constexpr std::int64_t kMostHeads = 32768;                        // of a launch

// Block of queries [first, first + rows) of a text, whose keys are [begin, begin + visible).
struct Block {
  std::int64_t first = 0, rows = 0, begin = 0, visible = 0;
  Block(const AttendGradient& op, const SequenceRun& text, std::int64_t index) {
    first = index * kQueries;
    rows = std::min(kQueries, text.n_rows - first);
    begin = op.window > 0 ? std::max<std::int64_t>(0, first + 1 - op.window) : 0;
    visible = first + rows - begin;
  }
};

// The most that the scores of a block of the text take.
std::int64_t scores_of(const AttendGradient& op, const SequenceRun& text) {
  const std::int64_t rows = std::min(kQueries, text.n_rows);
  return rows * (op.window > 0 ? std::min(text.n_rows, rows + op.window) : text.n_rows);
}

Product product(const float* a, std::int64_t a_stride, const float* b, std::int64_t b_stride, float* c, std::int64_t c_stride,
                std::int64_t m, std::int64_t n, std::int64_t k) {
  Product p;
  p.a = a;
  p.b = b;
  p.c = c;
  p.a_stride = a_stride;
  p.b_stride = b_stride;
  p.c_stride = c_stride;
  p.m = static_cast<std::int32_t>(m);
  p.n = static_cast<std::int32_t>(n);
  p.k = static_cast<std::int32_t>(k);
  return p;
}

// What is launched for a block of queries of all groups, in this order.
struct BlockWork {
  std::vector<Product> scores;  // q k^T and dout v^T
  std::vector<Scores> softmaxes;
  std::vector<Product> queries;  // dq
  std::vector<Product> keys;     // dk and dv
};

//   p = softmax(cap(scale q k^T)), out = p v, so
//   dv = p^T dout;  dp = dout v^T;  ds = p (dp - sum_j p_j dp_j), through the cap, times scale;  dq = ds k;  dk = ds^T q
// scratch: p of the heads that share the key-value head, then their ds.
void add_block(const AttendGradient& op, const SequenceRun& text, const Block& b, std::int64_t kv_head, float* scratch, BlockWork* work) {
  const std::int64_t key_dim = op.q.columns / op.heads, value_dim = op.v.columns / op.kv_heads, heads = op.heads / op.kv_heads;
  const std::int64_t query = text.first_row + b.first, key = text.first_row + b.begin, size = b.rows * b.visible, head = kv_head * heads;
  const float* q = address(op.q, query) + head * key_dim;
  const float* dout = address(op.dout, query) + head * value_dim;
  const float* k = address(op.k, key) + kv_head * key_dim;
  const float* v = address(op.v, key) + kv_head * value_dim;
  float* dq = address(op.dq, query) + head * key_dim;
  const auto shift = static_cast<std::int32_t>(b.first - b.begin);
  const auto banded = [&](Product p, Band band) {
    p.band = band;
    p.shift = shift;
    p.window = static_cast<std::int32_t>(op.window);
    return p;
  };
  for (std::int64_t h = 0; h < heads; ++h) {
    float* p = scratch + h * size;
    float* ds = scratch + (heads + h) * size;
    const float *own_q = q + h * key_dim, *own_dout = dout + h * value_dim;
    work->scores.push_back(banded(product(own_q, op.q.stride, k, op.k.stride, p, b.visible, b.rows, b.visible, key_dim), Band::result));
    work->scores.push_back(
        banded(product(own_dout, op.dout.stride, v, op.v.stride, ds, b.visible, b.rows, b.visible, value_dim), Band::result));
    work->softmaxes.push_back({p, ds, static_cast<std::int32_t>(b.rows), static_cast<std::int32_t>(b.visible), shift});
    work->queries.push_back(
        banded(product(ds, b.visible, k, op.k.stride, dq + h * key_dim, op.dq.stride, b.rows, key_dim, b.visible), Band::keys));
  }
  const auto over_heads = [&](const float* a, const float* from, const Tensor& rows, const Tensor& to, std::int64_t dim) {
    Product sum = banded(product(a, b.visible, from, rows.stride, address(to, key) + kv_head * dim, to.stride, b.visible, dim, b.rows),
                         Band::queries);
    sum.segments = static_cast<std::int32_t>(heads);
    sum.a_segment = size;
    sum.b_segment = dim;
    sum.add = 1;
    work->keys.push_back(sum);
  };
  over_heads(scratch + heads * size, q, op.q, op.dk, key_dim);
  over_heads(scratch, dout, op.dout, op.dv, value_dim);
}

}  // namespace

void CudaBackward::rope(const RopeGradient& op) {
  RopeBackArgs a;
  a.x = rows_of(op.x);
  a.cosines = rows_of(op.cosines);
  a.sines = rows_of(op.sines);
  a.d = rows_of(op.d);
  a.norm = values_or_null(op.norm);
  a.n = op.d.rows;
  a.heads = op.d.columns / op.head_dim;
  a.head_dim = op.head_dim;
  a.half = op.cosines.exists() ? op.cosines.columns : 0;
  a.interleaved = op.interleaved;
  a.norm_last = op.norm_last;
  a.eps = op.eps;
  a.offset = op.offset;
  rope_back(a, device_.stream());
  device_.launched("gradient of rope");
}

void CudaBackward::attend(const AttendGradient& op, std::span<const SequenceRun> texts) {
  for (const Tensor& t : {op.dk, op.dv}) {  // blocks add to them
    if (t.rows == 0) continue;
    device_.check(cudaMemset2DAsync(address(t), static_cast<std::size_t>(t.stride) * 4, 0, static_cast<std::size_t>(t.columns) * 4,
                                    static_cast<std::size_t>(t.rows), device_.stream()),
                  "gradient of attend");
  }
  const std::int64_t heads = op.heads / op.kv_heads;
  std::vector<Group> groups;
  std::vector<std::int64_t> offsets;
  std::int64_t floats = 0;
  const auto finish = [&] {
    auto* scratch = reinterpret_cast<float*>(device_.scratch(&scratch_, floats * 4));
    if (scratch == nullptr) return false;
    for (std::size_t i = 0; i < groups.size(); ++i) groups[i].scratch = scratch + offsets[i];
    attend(op, groups);
    groups.clear();
    offsets.clear();
    floats = 0;
    return true;
  };
  for (const SequenceRun& text : texts)
    for (std::int64_t kv = 0; kv < op.kv_heads && text.n_rows > 0; ++kv) {
      const std::int64_t own = 2 * heads * scores_of(op, text);
      const bool full = floats + own > kScratchFloats || static_cast<std::int64_t>(groups.size() + 1) * heads > kMostHeads;
      if (!groups.empty() && full && !finish()) return;
      groups.push_back({&text, kv, nullptr});
      offsets.push_back(floats);
      floats += own;
    }
  if (!groups.empty()) finish();
  device_.launched("gradient of attend");
}

void CudaBackward::attend(const AttendGradient& op, std::span<const Group> groups) {
  std::int64_t longest = 0;
  for (const Group& g : groups) longest = std::max(longest, g.text->n_rows);
  for (std::int64_t index = 0; index * kQueries < longest; ++index) {
    BlockWork work;
    for (const Group& g : groups)
      if (index * kQueries < g.text->n_rows) add_block(op, *g.text, Block(op, *g.text, index), g.kv_head, g.scratch, &work);
    const auto multiply = [&](std::vector<Product>& products, const auto& launch) {
      std::int64_t tiles = 0;
      const Product* placed = place(products, kSmallTile, &tiles);
      if (placed != nullptr) launch(placed, static_cast<int>(products.size()), tiles);
    };
    multiply(work.scores, [&](const Product* p, int n, std::int64_t tiles) { product_of_rows_with_rows(p, n, tiles, device_.stream()); });
    ScoreArgs a;
    a.scores = static_cast<const Scores*>(
        list(&scores_, work.softmaxes.data(), static_cast<std::int64_t>(work.softmaxes.size() * sizeof(Scores))));
    if (a.scores == nullptr) return;
    a.window = static_cast<std::int32_t>(op.window);
    a.scale = op.scale;
    a.softcap = op.softcap;
    scores_back(a, static_cast<std::int64_t>(work.softmaxes.size()), std::min(kQueries, longest - index * kQueries), device_.stream());
    multiply(work.queries, [&](const Product* p, int n, std::int64_t tiles) { product_of_rows(p, n, tiles, device_.stream()); });
    multiply(work.keys,
             [&](const Product* p, int n, std::int64_t tiles) { product_of_columns(p, n, kSmallTile, tiles, device_.stream()); });
  }
}

}  // namespace jang::kernels::cuda
