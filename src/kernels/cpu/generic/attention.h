// SPDX-License-Identifier: Apache-2.0
// Softmax attention, once for every instruction set: keys and values are brought to float32 a tile of kKeys positions at a time, and all
// query rows (query x head of the group) of a block go over the tile before the next one: one pass over the cache in decode, and the
// conversion shared by many queries in prefill. Softmax runs along (Milakov, Gimelshein 2018, arXiv 1805.02867): with m the largest score
// so far, the sum and the output are rescaled by exp(m_old - m_new) at every tile.
//
// Tiles start at multiples of kKeys in absolute positions, positions a row does not see count as exp(-inf) = 0, and every sum has one
// order: a row's result does not depend on the other rows of the call, nor on how queries are split over calls.
//
// V supplies what exact_linear.h and elementwise.h ask for, and load_s8 (signed bytes to floats).
#pragma once

#include "kernels/cpu/generic/elementwise.h"
#include "kernels/cpu/generic/exact_linear.h"

namespace jang::kernels::generic {

inline constexpr std::int64_t kKeys = kPagePositions;  // positions of a tile: a page
inline constexpr float kLeast = -1e30f;                // below every score, finite: differences stay defined
inline constexpr std::int64_t kPrefetchKv = 4096;      // bytes of rows ahead
inline constexpr std::int64_t kQueryRows = 64;         // of a block, about
inline constexpr int kMixRows = 4;                     // register tile of the sum over values: rows x V::kMixVectors

// One cache row as floats, zeros up to a whole step.
template <class V>
inline void load_kv(KvType type, const std::byte* row, std::int64_t head_dim, std::int64_t padded_dim, float* out) {
  const auto convert = [&](int bytes, const auto& load) {
    std::int64_t i = 0;
    for (; i + V::kLanes <= head_dim; i += V::kLanes) V::store(out + i, load(row + i * bytes));
    for (; i < padded_dim; i += V::kLanes) {
      std::byte last[V::kLanes * 4] = {};
      if (i < head_dim) std::memcpy(last, row + i * bytes, static_cast<std::size_t>((head_dim - i) * bytes));
      V::store(out + i, load(last));
    }
  };
  switch (type) {
    case KvType::f32: return convert(4, [](const std::byte* p) { return V::load(p); });
    case KvType::f16: return convert(2, [](const std::byte* p) { return V::load_f16(p); });
    case KvType::bf16: return convert(2, [](const std::byte* p) { return V::load_bf16(p); });
    case KvType::q8: break;
  }
  const typename V::F scale = V::value(DType::f32, row + head_dim, 0);
  convert(1, [&](const std::byte* p) { return V::mul(V::load_s8(p), scale); });
}

// out[r] = out[r] * factor[r] + sum_j p[r][j] v[j] for kRows rows and kVectors vectors of dimensions.
template <class V, int kRows, int kVectors>
inline void mix_tile(const float* p, const float* v, std::int64_t begin, std::int64_t end, std::int64_t dim, const float* factor,
                     float* out) {
  using F = typename V::F;
  F acc[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int d = 0; d < kVectors; ++d) acc[r][d] = V::mul(V::load(out + r * dim + d * V::kLanes), V::set1(factor[r]));
  for (std::int64_t j = begin; j < end; ++j) {
    F value[kVectors];
#pragma GCC unroll 8
    for (int d = 0; d < kVectors; ++d) value[d] = V::load(v + j * dim + d * V::kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const F weight = V::set1(p[r * kKeys + j]);
#pragma GCC unroll 8
      for (int d = 0; d < kVectors; ++d) acc[r][d] = V::fma(weight, value[d], acc[r][d]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int d = 0; d < kVectors; ++d) V::store(out + r * dim + d * V::kLanes, acc[r][d]);
}

template <class V, int kRows = kMixRows>
inline void mix(const float* p, std::int64_t n_rows, const float* v, std::int64_t begin, std::int64_t end, std::int64_t dim,
                const float* factor, float* out) {
  if constexpr (kRows > 0) {
    std::int64_t r = 0;
    for (; r + kRows <= n_rows; r += kRows) {
      std::int64_t d = 0;
      for (; d + V::kMixVectors * V::kLanes <= dim; d += V::kMixVectors * V::kLanes)
        mix_tile<V, kRows, V::kMixVectors>(p + r * kKeys, v + d, begin, end, dim, factor + r, out + r * dim + d);
      for (; d < dim; d += V::kLanes) mix_tile<V, kRows, 1>(p + r * kKeys, v + d, begin, end, dim, factor + r, out + r * dim + d);
    }
    if (r < n_rows) mix<V, kRows - 1>(p + r * kKeys, n_rows - r, v, begin, end, dim, factor + r, out + r * dim);
  }
}

// Rows of one block of queries and their running softmax.
struct QueryBlock {
  std::int64_t first_query = 0, n_queries = 0, n_rows = 0, dim = 0;  // dim: head_dim padded to a step
  float* q = nullptr;                                                // [n_rows, dim]
  float* out = nullptr;                                              // [n_rows, dim]
  float* scores = nullptr;                                           // [n_rows, kKeys]
  float* most = nullptr;                                             // [n_rows] largest score so far
  float* sum = nullptr;                                              // [n_rows]
  float* factor = nullptr;                                           // [n_rows] exp(old - new largest)
  float* keys = nullptr;                                             // [kKeys, dim]
  float* values = nullptr;                                           // [kKeys, dim]
};

// Scores of one row become weights: only positions [begin, end) of the tile count.
template <class V>
inline void softmax_step(const AttentionArgs& a, float* scores, std::int64_t begin, std::int64_t end, float& most, float& sum,
                         float& factor) {
  using F = typename V::F;
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  const F scale = V::set1(a.scale), cap = V::set1(a.softcap), inverse = V::set1(a.softcap != 0 ? 1.0f / a.softcap : 0.0f);
  F top = V::set1(most);
  for (std::int64_t j = 0; j < kKeys; j += V::kLanes) {
    F s = V::mul(V::load(scores + j), scale);
    if (a.softcap != 0) s = V::mul(cap, tanh<V>(V::mul(s, inverse)));
    V::store(scores + j, s);
    if (j < begin || j + V::kLanes > end) {
      for (std::int64_t l = j; l < j + V::kLanes; ++l)
        if (l < begin || l >= end) scores[l] = kNothing;
      s = V::load(scores + j);
    }
    top = V::max(s, top);
  }
  const float now = V::max_of(top);
  const F shift = V::set1(now);
  F total = V::set1(0.0f);
  for (std::int64_t j = 0; j < kKeys; j += V::kLanes) {
    const F e = exp<V>(V::sub(V::load(scores + j), shift));
    V::store(scores + j, e);
    total = V::add(total, e);
  }
  float change[V::kLanes];
  V::store(change, exp<V>(V::sub(V::set1(most), shift)));
  factor = change[0];
  sum = sum * factor + V::sum(total);
  most = now;
}

// All rows of the block over the tile of positions [tile, end).
template <class V>
inline void attend_tile(const AttentionArgs& a, const QueryBlock& b, std::int64_t tile, std::int64_t begin, std::int64_t end) {
  const std::int64_t row_bytes = kv_row_bytes(a.kv_type, a.head_dim);
  const std::int64_t ahead = kPrefetchKv / row_bytes, last_position = a.first_position + a.n_queries - 1;
  const auto prefetch = [&](std::int64_t position, std::int64_t offset) {
    const std::int64_t p = std::min(position + ahead, last_position);
    V::prefetch(reinterpret_cast<std::uintptr_t>(a.pages[p / kKeys]) + static_cast<std::uintptr_t>(offset + p % kKeys * row_bytes));
  };
  const std::byte* const page = a.pages[tile / kKeys];
  for (std::int64_t j = begin; j < end; ++j) {
    prefetch(j, a.k_offset);
    load_kv<V>(a.kv_type, page + a.k_offset + (j - tile) * row_bytes, a.head_dim, b.dim, b.keys + (j - tile) * b.dim);
  }
  const std::int64_t skip = begin - tile;
  const Outputs scores{b.scores + skip, kKeys, true};
  for (std::int64_t r = 0; r < b.n_rows; r += V::kTileInputs) {
    const int count = static_cast<int>(std::min<std::int64_t>(V::kTileInputs, b.n_rows - r));
    panel_inputs<V>(count, b.keys + skip * b.dim, end - begin, b.dim, b.q + r * b.dim, b.dim, scores, scores.y + r * kKeys);
  }
  for (std::int64_t r = 0; r < b.n_rows; ++r) {
    const std::int64_t last = a.first_position + b.first_query + r / a.n_heads;  // its own position
    const std::int64_t from = a.window > 0 ? std::max(begin, last - a.window + 1) : begin, to = std::min(end, last + 1);
    softmax_step<V>(a, b.scores + r * kKeys, from - tile, to - tile, b.most[r], b.sum[r], b.factor[r]);
  }
  for (std::int64_t j = begin; j < end; ++j) {
    prefetch(j, a.v_offset);
    load_kv<V>(a.kv_type, page + a.v_offset + (j - tile) * row_bytes, a.head_dim, b.dim, b.values + (j - tile) * b.dim);
  }
  mix<V>(b.scores, b.n_rows, b.values, skip, end - tile, b.dim, b.factor, b.out);
}

template <class V>
inline void attend_block(const AttentionArgs& a, const QueryBlock& b) {
  for (std::int64_t r = 0; r < b.n_rows; ++r) {
    const std::byte* q =
        reinterpret_cast<const std::byte*>(a.q + (b.first_query + r / a.n_heads) * a.q_stride + r % a.n_heads * a.head_dim);
    load_kv<V>(KvType::f32, q, a.head_dim, b.dim, b.q + r * b.dim);
    std::memset(b.out + r * b.dim, 0, static_cast<std::size_t>(b.dim) * 4);
    b.most[r] = kLeast;
    b.sum[r] = 0;
    if (a.sinks == nullptr || a.sinks[r % a.n_heads] < kLeast) continue;
    b.most[r] = a.sinks[r % a.n_heads];
    b.sum[r] = 1;  // exp(sink - sink)
  }
  const std::int64_t first = a.first_position + b.first_query, end = first + b.n_queries;
  const std::int64_t begin = a.window > 0 ? std::max<std::int64_t>(0, first - a.window + 1) : 0;
  for (std::int64_t tile = begin / kKeys * kKeys; tile < end; tile += kKeys)
    attend_tile<V>(a, b, tile, std::max(begin, tile), std::min(tile + kKeys, end));
  for (std::int64_t r = 0; r < b.n_rows; ++r) {
    float* out = a.out + (b.first_query + r / a.n_heads) * a.out_stride + r % a.n_heads * a.head_dim;
    const auto factor = V::set1(1.0f / b.sum[r]);
    map<V>(b.out + r * b.dim, b.out + r * b.dim, a.head_dim, out, [&](auto x, auto) { return V::mul(x, factor); });
  }
}

template <class V>
void attention(const AttentionArgs& a) {
  QueryBlock b;
  const std::int64_t per_block = std::min(a.n_queries, std::max<std::int64_t>(1, kQueryRows / a.n_heads)), n_rows = per_block * a.n_heads;
  b.dim = (a.head_dim + kStep - 1) / kStep * kStep;
  b.keys = scratch(2 * kKeys * b.dim + n_rows * (2 * b.dim + kKeys + 3));
  b.values = b.keys + kKeys * b.dim;
  b.q = b.values + kKeys * b.dim;
  b.out = b.q + n_rows * b.dim;
  b.scores = b.out + n_rows * b.dim;
  b.most = b.scores + n_rows * kKeys;
  b.sum = b.most + n_rows;
  b.factor = b.sum + n_rows;
  std::memset(b.scores, 0, static_cast<std::size_t>(n_rows * kKeys) * 4);  // masked columns are read before they are masked
  for (std::int64_t i = 0; i < a.n_queries; i += per_block) {
    b.first_query = i;
    b.n_queries = std::min(per_block, a.n_queries - i);
    b.n_rows = b.n_queries * a.n_heads;
    attend_block<V>(a, b);
  }
}

}  // namespace jang::kernels::generic
