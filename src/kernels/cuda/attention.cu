// SPDX-License-Identifier: Apache-2.0
// Rotation, caches, attention.
//
// Attention: a block takes some query heads of one key-value head for some neighbouring rows of one sequence ("pairs" of row and head), and
// one chunk of positions. Keys of a page are brought into shared memory as floats, every pair meets every key, the softmax is carried from
// page to page; then the same for values. What a pair computes does not depend on the other pairs of its block: sums run in the order of
// columns and positions, and pages a row does not see change nothing. Chunks are joined in their order by a kernel of its own.
#include "kernels/cuda/attention.h"

#include "kernels/cuda/cached_rows.cuh"
#include "kernels/cuda/launch_beside.cuh"
#include "kernels/cuda/stored_heads.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kPage = static_cast<int>(kPagePositions);

__device__ float cached_value(KvType type, const std::byte* row, int dim, int j) {
  switch (type) {
    case KvType::f32: return stored_value(DType::f32, row, j);
    case KvType::f16: return stored_value(DType::f16, row, j);
    case KvType::bf16: return stored_value(DType::bf16, row, j);
    case KvType::q8: break;
  }
  // Rows of q8 have dim + 4 bytes: the scale may lie anywhere.
  std::uint32_t bits = 0;
  for (int b = 0; b < 4; ++b) bits |= static_cast<std::uint32_t>(row[dim + b]) << (8 * b);
  return static_cast<float>(static_cast<std::int8_t>(row[j])) * __uint_as_float(bits);
}

constexpr int kStoreWarps = 8;

// One head of one token, by a warp, in place.
__device__ void norm_head(float* head, int dim, const float* norm, const RopeStoreArgs& a, int lane) {
  float sum = 0;
  for (int j = lane; j < dim; j += 32) sum = fmaf(head[j], head[j], sum);
  const float factor = 1.0f / sqrtf(warp_sum(sum) / static_cast<float>(dim) + a.eps);
  for (int j = lane; j < dim; j += 32) head[j] = head[j] * factor * (norm[j] + a.offset);
  __syncwarp();
}

// Norm and rotation in their order, whatever pairs turn; rotate_head is the usual case.
__device__ void turn_in_place(const RopeStoreArgs& a, bool of_queries, float* head, int dim, std::int64_t row, int lane) {
  const float* norm = of_queries ? a.q_norm : a.k_norm;
  if (!a.interleaved && !a.norm_last) return rotate_head(a, of_queries, head, dim, row, head, nullptr);
  const float *cosines = a.cosines.at + row * a.cosines.stride, *sines = a.sines.at + row * a.sines.stride;
  if (norm != nullptr && !a.norm_last) norm_head(head, dim, norm, a, lane);
  for (int j = lane; j < a.half; j += 32) {
    float* first = head + (a.interleaved ? 2 * j : j);
    float* second = head + (a.interleaved ? 2 * j + 1 : j + a.half);
    const float x = *first, y = *second, c = cosines[j], s = sines[j];
    *first = x * c - y * s;
    *second = y * c + x * s;
  }
  __syncwarp();
  if (norm != nullptr && a.norm_last) norm_head(head, dim, norm, a, lane);
}

// A warp per head of a row: those of queries, of keys, of values.
__global__ void rope_store_kernel(RopeStoreArgs a, Caches caches) {
  let_next_start();
  const std::int64_t row = blockIdx.x;
  const int lane = static_cast<int>(threadIdx.x) & 31, warps = static_cast<int>(gridDim.y) * kStoreWarps;
  const RowPlace place = caches.places[row];  // tables come by copies, which no kernel overlaps
  std::byte* page = caches.pages[place.first_page + place.position / kPage];
  wait_for_previous();
  const int in_page = place.position % kPage;
  for (int h = static_cast<int>(blockIdx.y) * kStoreWarps + (static_cast<int>(threadIdx.x) >> 5); h < a.q_heads + 2 * caches.heads;
       h += warps) {
    if (h < a.q_heads) {
      turn_in_place(a, true, a.q.at + row * a.q.stride + h * caches.key_dim, caches.key_dim, row, lane);
    } else if (h < a.q_heads + caches.heads) {
      const int head = h - a.q_heads;
      float* k = a.k.at + row * a.k.stride + head * caches.key_dim;
      turn_in_place(a, false, k, caches.key_dim, row, lane);
      store_row(caches.type, k, caches.key_dim, page + caches.keys_offset + (head * kPage + in_page) * caches.key_row, lane, a.overflowed);
    } else {
      const int head = h - a.q_heads - caches.heads;
      store_row(caches.type, a.v.at + row * a.v.stride + head * caches.value_dim, caches.value_dim,
                page + caches.values_offset + (head * kPage + in_page) * caches.value_row, lane, a.overflowed);
    }
  }
}

constexpr int kAttendThreads = 256;
constexpr int kMostOwned = 16;  // sums of values a thread keeps
constexpr int kMostPairs = 16;

// Pairs of a block: as many heads of the group as fit, and rows as long as there is room.
struct Shape {
  int heads = 1, rows = 1, parts = 1;  // heads of the group in a block; rows; blocks that share a group
  [[nodiscard]] __host__ __device__ int pairs() const { return heads * rows; }
};

// Rows [begin, end) of a page as floats; 16 bytes at a time where the type and the place allow it, several of them on their way at once.
__device__ void load_rows(const Caches& c, const std::byte* first, std::int64_t row_bytes, int dim, int begin, int end, float* to,
                          int pitch) {
  const int per_piece = c.type == KvType::f32 ? 4 : 8;
  if (c.type != KvType::q8 && dim % per_piece == 0 && (reinterpret_cast<std::uintptr_t>(first) & 15) == 0) {
    constexpr int kAhead = 4;
    const int pieces = dim / per_piece, n = (end - begin) * pieces;
    for (int base = static_cast<int>(threadIdx.x); base < n; base += kAhead * kAttendThreads) {
      uint4 raw[kAhead];
#pragma unroll
      for (int u = 0; u < kAhead; ++u) {
        const int i = base + u * kAttendThreads;
        if (i < n) raw[u] = *reinterpret_cast<const uint4*>(first + (begin + i / pieces) * row_bytes + i % pieces * 16);
      }
#pragma unroll
      for (int u = 0; u < kAhead; ++u) {
        const int i = base + u * kAttendThreads;
        if (i >= n) break;
        float* at = to + (begin + i / pieces) * pitch + i % pieces * per_piece;
        if (c.type == KvType::f32) {
          at[0] = __uint_as_float(raw[u].x), at[1] = __uint_as_float(raw[u].y);
          at[2] = __uint_as_float(raw[u].z), at[3] = __uint_as_float(raw[u].w);
          continue;
        }
        float values[8];
        as_floats(c.type, raw[u], values);
#pragma unroll
        for (int k = 0; k < 8; ++k) at[k] = values[k];
      }
    }
    return;
  }
  for (int i = static_cast<int>(threadIdx.x); i < (end - begin) * dim; i += kAttendThreads) {
    const int p = begin + i / dim, j = i % dim;
    to[p * pitch + j] = cached_value(c.type, first + p * row_bytes, dim, j);
  }
}

// Scores of the pairs p .. p + 3 with the key of position begin + j.
__device__ __forceinline__ void score_four(const AttendArgs& a, const Caches& c, const float* queries, const float* keys, int p, int j,
                                           int pairs, int query_pitch, int begin, const int* from, const int* to, float* weights) {
  const float* q = queries + p * query_pitch;
  const float* k = keys + j * (c.key_dim + 1);
  float scores[4] = {};
  int d = 0;
#pragma unroll 2
  for (; d + 4 <= c.key_dim; d += 4) {
    const float k0 = k[d], k1 = k[d + 1], k2 = k[d + 2], k3 = k[d + 3];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float4 four = *reinterpret_cast<const float4*>(q + i * query_pitch + d);
      scores[i] = fmaf(four.w, k3, fmaf(four.z, k2, fmaf(four.y, k1, fmaf(four.x, k0, scores[i]))));
    }
  }
  for (; d < c.key_dim; ++d)
    for (int i = 0; i < 4; ++i) scores[i] = fmaf(q[i * query_pitch + d], k[d], scores[i]);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (p + i >= pairs) return;
    const bool seen = begin + j >= from[p + i] && begin + j < to[p + i];
    float score = scores[i] * a.scale;
    if (a.softcap != 0) score = a.softcap * tanhf(score / a.softcap);
    weights[(p + i) * kPage + j] = seen ? score : -INFINITY;
  }
}

// owned = owned * rescale + weights * values, over all positions of a page. value_dim divides the number of threads.
__device__ __forceinline__ void mix_whole_page(const Caches& c, int pairs, const float* weights, const float* rescale, const float* values,
                                               float (&owned)[kMostOwned]) {
  const int thread = static_cast<int>(threadIdx.x), d = thread % c.value_dim, first = thread / c.value_dim;
  const int apart = kAttendThreads / c.value_dim;
#pragma unroll
  for (int i = 0; i < kMostOwned; ++i)
    if (first + i * apart < pairs) owned[i] *= rescale[first + i * apart];
  for (int j = 0; j < kPage; j += 4) {
    const float* v = values + j * c.value_dim + d;
    const float v0 = v[0], v1 = v[c.value_dim], v2 = v[2 * c.value_dim], v3 = v[3 * c.value_dim];
#pragma unroll
    for (int i = 0; i < kMostOwned; ++i) {
      const int p = first + i * apart;
      if (p >= pairs) break;
      const float4 w = *reinterpret_cast<const float4*>(weights + p * kPage + j);
      owned[i] = fmaf(w.w, v3, fmaf(w.z, v2, fmaf(w.y, v1, fmaf(w.x, v0, owned[i]))));
    }
  }
}

// grid: chunk, key-value head and part of its group, tile of rows.
__global__ void __launch_bounds__(kAttendThreads) attend_kernel(AttendArgs a, Caches c, Shape shape, const std::int32_t* tiles) {
  begin_kernel();
  extern __shared__ float4 shared_memory[];
  float* shared = reinterpret_cast<float*>(shared_memory);
  const int query_pitch = (c.key_dim + 3) / 4 * 4, pairs = shape.pairs();
  const int padded = (pairs + 3) / 4 * 4;           // pairs
  float* queries = shared;                          // [padded][query_pitch]
  float* weights = queries + padded * query_pitch;  // [padded][kPage]
  float* page_rows = weights + padded * kPage;      // [kPage][key_dim + 1], then values [kPage][value_dim]
  __shared__ float largest[kMostPairs], total[kMostPairs], rescale[kMostPairs];
  __shared__ int from[kMostPairs], to[kMostPairs];  // positions a pair sees

  const std::int64_t first_row = tiles[2 * blockIdx.z];
  const int n_rows = tiles[2 * blockIdx.z + 1];
  const int group = a.heads / c.heads, kv = static_cast<int>(blockIdx.y) / shape.parts, part = static_cast<int>(blockIdx.y) % shape.parts;
  const int first_head = kv * group + part * shape.heads, heads = min(shape.heads, group - part * shape.heads);
  const std::int64_t chunk = a.first_chunk + blockIdx.x;
  const int chunk_begin = static_cast<int>(chunk * kChunk), chunk_end = chunk_begin + static_cast<int>(kChunk);
  const RowPlace first = c.places[first_row];
  const int last_position = first.position + n_rows - 1;
  const int first_seen = a.window > 0 ? max(0, first.position - static_cast<int>(a.window) + 1) : 0;
  if (chunk_begin > last_position || chunk_end <= first_seen) return;  // no pair sees this chunk; joining skips it too

  const int thread = static_cast<int>(threadIdx.x);
  if (thread < pairs) {
    const int r = thread / shape.heads, h = thread % shape.heads, position = first.position + r;
    const bool exists = r < n_rows && h < heads;
    largest[thread] = -INFINITY;
    total[thread] = 0;
    to[thread] = exists ? position + 1 : 0;
    from[thread] = a.window > 0 ? max(0, position - static_cast<int>(a.window) + 1) : 0;
  }
  for (int i = thread; i < padded * query_pitch; i += kAttendThreads) {
    const int p = i / query_pitch, j = i % query_pitch, r = p / shape.heads, h = p % shape.heads;
    queries[i] = r < n_rows && h < heads && j < c.key_dim ? a.q.at[(first_row + r) * a.q.stride + (first_head + h) * c.key_dim + j] : 0.0f;
  }
  const bool full = n_rows == shape.rows && heads == shape.heads;
  const int last_from = a.window > 0 ? max(0, last_position - static_cast<int>(a.window) + 1) : 0;
  float owned[kMostOwned] = {};  // sums of values: element thread + i * kAttendThreads of [pairs][value_dim]

  for (int begin = max(chunk_begin, first_seen / kPage * kPage); begin < min(chunk_end, last_position + 1); begin += kPage) {
    const std::byte* page = c.pages[first.first_page + begin / kPage];
    const int low = max(first_seen, begin) - begin,
              high = min(last_position + 1, begin + kPage) - begin;  // positions of the page that are read
    __syncthreads();
    load_rows(c, page + c.keys_offset + kv * kPage * c.key_row, c.key_row, c.key_dim, low, high, page_rows, c.key_dim + 1);
    __syncthreads();
    // Four pairs a thread: a key is read once for them.
    for (int i = thread; i < (pairs + 3) / 4 * kPage; i += kAttendThreads)
      score_four(a, c, queries, page_rows, i / kPage * 4, i % kPage, pairs, query_pitch, begin, from, to, weights);
    __syncthreads();
    for (int p = thread >> 5; p < pairs; p += kAttendThreads / 32) {  // a warp per pair: the page's softmax
      const int lane = thread & 31;
      float* w = weights + p * kPage;
      const float before = largest[p];
      const float now = fmaxf(before, warp_max(fmaxf(w[lane], w[lane + 32])));
      const float e0 = w[lane] == -INFINITY ? 0.0f : expf(w[lane] - now), e1 = w[lane + 32] == -INFINITY ? 0.0f : expf(w[lane + 32] - now);
      w[lane] = e0;
      w[lane + 32] = e1;
      const float sum = warp_sum(e0 + e1);
      __syncwarp();     // every lane has read what the first one writes now
      if (lane == 0) {  // a page that the pair does not see: now is before, and nothing changes
        const float factor = before == -INFINITY ? 0.0f : expf(before - now);
        rescale[p] = factor;
        total[p] = fmaf(total[p], factor, sum);
        largest[p] = now;
      }
    }
    // Keys are no longer read.
    load_rows(c, page + c.values_offset + kv * kPage * c.value_row, c.value_row, c.value_dim, low, high, page_rows, c.value_dim);
    __syncthreads();
    // Whether every pair sees the whole page: but at the ends of a text, it is so.
    const bool whole = begin >= last_from && begin + kPage <= first.position + 1 && full;
    if (whole && kAttendThreads % c.value_dim == 0) {
      mix_whole_page(c, pairs, weights, rescale, page_rows, owned);
      continue;
    }
#pragma unroll
    for (int i = 0; i < kMostOwned; ++i) {
      const int e = thread + i * kAttendThreads, p = e / c.value_dim, d = e % c.value_dim;
      if (p >= pairs) break;
      const int first_j = max(from[p] - begin, 0), last_j = min(to[p] - begin, kPage);
      if (first_j >= last_j) continue;
      float sum = owned[i] * rescale[p];
      const float* w = weights + p * kPage;
      for (int j = first_j; j < last_j; ++j) sum = fmaf(w[j], page_rows[j * c.value_dim + d], sum);
      owned[i] = sum;
    }
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kMostOwned; ++i) {
    const int e = thread + i * kAttendThreads, p = e / c.value_dim, d = e % c.value_dim;
    if (p >= pairs) break;
    const int r = p / shape.heads, h = p % shape.heads;
    if (r >= n_rows || h >= heads) continue;
    const std::int64_t row = first_row + r;
    const int head = first_head + h;
    if (a.partial == nullptr) {
      a.out.at[row * a.out.stride + head * c.value_dim + d] = owned[i] / total[p];
      continue;
    }
    float* part_of = a.partial + ((row * a.heads + head) * a.n_chunks + blockIdx.x) * (c.value_dim + 2);
    part_of[2 + d] = owned[i];
    if (d == 0) {
      part_of[0] = largest[p];
      part_of[1] = total[p];
    }
  }
}

// Joins the chunks that a row sees, first to last. A block per row and head. rope: rotations that the chunks have used and left undone.
__global__ void join_kernel(AttendArgs a, Caches c, RopeStoreArgs rope) {
  begin_kernel();
  const std::int64_t row = blockIdx.x;
  if (rope.q.at != nullptr && threadIdx.x < 32) {
    float *q = rope.q.at + row * rope.q.stride + blockIdx.y * c.key_dim, *k = rope.k.at + row * rope.k.stride + blockIdx.y * c.key_dim;
    rotate_head(rope, true, q, c.key_dim, row, q, nullptr);
    if (static_cast<int>(blockIdx.y) < c.heads) rotate_head(rope, false, k, c.key_dim, row, k, nullptr);
  }
  const int head = static_cast<int>(blockIdx.y), position = c.places[row].position;
  const int first_seen = a.window > 0 ? max(0, position - static_cast<int>(a.window) + 1) : 0;
  const std::int64_t begin = max(first_seen / kChunk - a.first_chunk, std::int64_t{0}), end = position / kChunk + 1 - a.first_chunk;
  const float* parts = a.partial + (row * a.heads + head) * a.n_chunks * (c.value_dim + 2);
  float largest = -INFINITY;
  for (std::int64_t i = begin; i < end; ++i) largest = fmaxf(largest, parts[i * (c.value_dim + 2)]);
  for (int d = static_cast<int>(threadIdx.x); d < c.value_dim; d += static_cast<int>(blockDim.x)) {
    float sum = 0, total = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const float* p = parts + i * (c.value_dim + 2);
      const float factor = expf(p[0] - largest);
      sum = fmaf(p[2 + d], factor, sum);
      total = fmaf(p[1], factor, total);
    }
    a.out.at[row * a.out.stride + head * c.value_dim + d] = sum / total;
  }
}

Shape shape_of(const AttendArgs& a, const Caches& c, int rows) {
  const int group = a.heads / c.heads, dim = c.key_dim > c.value_dim ? c.key_dim : c.value_dim;
  int most = kMostOwned * kAttendThreads / dim;
  most = most < 1 ? 1 : most > kMostPairs ? kMostPairs : most;
  Shape s;
  s.heads = group < most ? group : most;
  s.parts = (group + s.heads - 1) / s.heads;
  s.rows = rows < most / s.heads ? rows : most / s.heads;
  return s;
}

}  // namespace

std::int64_t attend_partial_floats(std::int64_t n, std::int64_t heads, std::int64_t value_dim, std::int64_t n_chunks) {
  return n_chunks > 1 ? n * heads * n_chunks * (value_dim + 2) : 0;
}

int attend_rows_per_block(const AttendArgs& a, const Caches& caches) { return shape_of(a, caches, kMostPairs).rows; }

void rope_store(const RopeStoreArgs& a, const Caches& caches, Stream stream) {
  const unsigned parts = blocks_of(a.q_heads + 2 * caches.heads, kStoreWarps);
  launch_beside(rope_store_kernel, dim3(static_cast<unsigned>(a.n), parts), dim3(32 * kStoreWarps), 0, stream, a, caches);
}

void attend(const AttendArgs& a, const Caches& caches, const std::int32_t* tiles, std::int64_t n_tiles, Stream stream) {
  const Shape shape = shape_of(a, caches, kMostPairs);
  const int dim = caches.key_dim > caches.value_dim ? caches.key_dim : caches.value_dim;
  const std::size_t bytes =
      4u * static_cast<std::size_t>((shape.pairs() + 3) / 4 * 4 * ((caches.key_dim + 3) / 4 * 4 + kPage) + kPage * (dim + 1));
  if (bytes > 48u * 1024u) cudaFuncSetAttribute(attend_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  const auto y = static_cast<unsigned>(caches.heads * shape.parts);
  constexpr std::int64_t kMostTiles = 65535;
  for (std::int64_t begin = 0; begin < n_tiles; begin += kMostTiles) {
    const std::int64_t count = n_tiles - begin < kMostTiles ? n_tiles - begin : kMostTiles;
    launch(attend_kernel, dim3(static_cast<unsigned>(a.n_chunks), y, static_cast<unsigned>(count)), dim3(kAttendThreads), bytes, stream, a,
           caches, shape, tiles + 2 * begin);
  }
}

void join_chunks(const AttendArgs& a, const Caches& caches, const RopeStoreArgs& rope, Stream stream) {
  if (a.partial != nullptr)
    launch(join_kernel, dim3(static_cast<unsigned>(a.n), static_cast<unsigned>(a.heads)), dim3(64), 0, stream, a, caches, rope);
}

}  // namespace jang::kernels::cuda
