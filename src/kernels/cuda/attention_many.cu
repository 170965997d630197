// SPDX-License-Identifier: Apache-2.0
// A block takes all query heads of a key-value head for as many neighbouring rows as make 64 pairs of row and head, and a chunk of
// positions. As attention.cu it goes from page to page, and every sum runs in the same order, so that the bits are the same; what differs
// is how much of it a thread does at once:
//   scores  four pairs and four keys a thread
//   values  eight pairs of a warp, four columns a thread
// Keys and values of a page are on their way while the other of them is used.
#include "kernels/cuda/attention_many.h"

#include "kernels/cuda/cached_rows.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kPage = static_cast<int>(kPagePositions);
constexpr int kThreads = 256, kWarps = kThreads / 32, kPairs = 64, kOwned = kPairs / kWarps;  // pairs of a block, of a warp
constexpr int kFewestRows = 64;                                                               // of a batch for which it pays
constexpr int kWeightPitch = kPage + 4;
static_assert(kPage == 64 && kPairs == 64);

template <int kDim>
struct ManyMemory {
  static constexpr int kPitch = kDim + 4;                                            // rows of neighbouring lanes lie in different banks
  static constexpr int kPieces = kPage * kDim / 8 / kThreads;                        // of eight values, of a page's keys, of a thread
  static constexpr int kFloats = (kPairs + kPage) * kPitch + kPairs * kWeightPitch;  // queries; keys, then values; weights
};

struct ManyPairs {
  float largest[kPairs], total[kPairs], rescale[kPairs];
  int from[kPairs], to[kPairs];  // positions a pair sees
};

// Rows [low, high) of a page.
template <int kDim>
__device__ __forceinline__ void fetch(const std::byte* first, std::int64_t row_bytes, int low, int high,
                                      uint4 (&raw)[ManyMemory<kDim>::kPieces]) {
#pragma unroll
  for (int i = 0; i < ManyMemory<kDim>::kPieces; ++i) {
    const int index = static_cast<int>(threadIdx.x) + i * kThreads, row = index / (kDim / 8);
    if (row >= low && row < high) raw[i] = *reinterpret_cast<const uint4*>(first + row * row_bytes + index % (kDim / 8) * 16);
  }
}
template <int kDim>
__device__ __forceinline__ void store(KvType type, const uint4 (&raw)[ManyMemory<kDim>::kPieces], float* to) {
#pragma unroll
  for (int i = 0; i < ManyMemory<kDim>::kPieces; ++i) {
    const int index = static_cast<int>(threadIdx.x) + i * kThreads;
    float values[8];
    as_floats(type, raw[i], values);
    auto* at = reinterpret_cast<float4*>(to + index / (kDim / 8) * ManyMemory<kDim>::kPitch + index % (kDim / 8) * 8);
    at[0] = make_float4(values[0], values[1], values[2], values[3]);
    at[1] = make_float4(values[4], values[5], values[6], values[7]);
  }
}

template <int kDim>
__device__ __forceinline__ void score_page(const AttendArgs& a, const ManyPairs& pairs, const float* queries, const float* keys, int begin,
                                           float* weights) {
  constexpr int kPitch = ManyMemory<kDim>::kPitch;
  const int key = static_cast<int>(threadIdx.x) & 15, pair = static_cast<int>(threadIdx.x) >> 4;
  float scores[4][4] = {};
#pragma unroll 2
  for (int d = 0; d < kDim; d += 4) {
    float4 q[4], k[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      q[i] = *reinterpret_cast<const float4*>(queries + (pair + 16 * i) * kPitch + d);
      k[i] = *reinterpret_cast<const float4*>(keys + (key + 16 * i) * kPitch + d);
    }
#pragma unroll
    for (int p = 0; p < 4; ++p)
#pragma unroll
      for (int j = 0; j < 4; ++j)
        scores[p][j] = fmaf(q[p].w, k[j].w, fmaf(q[p].z, k[j].z, fmaf(q[p].y, k[j].y, fmaf(q[p].x, k[j].x, scores[p][j]))));
  }
#pragma unroll
  for (int p = 0; p < 4; ++p)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int of = pair + 16 * p, at = key + 16 * j;
      float score = scores[p][j] * a.scale;
      if (a.softcap != 0) score = a.softcap * tanhf(score / a.softcap);
      weights[of * kWeightPitch + at] = begin + at >= pairs.from[of] && begin + at < pairs.to[of] ? score : -INFINITY;
    }
}

// The softmax of a page for the pairs of a warp.
__device__ __forceinline__ void weigh_page(ManyPairs& pairs, float* weights) {
  const int lane = static_cast<int>(threadIdx.x) & 31, first = static_cast<int>(threadIdx.x >> 5) * kOwned;
#pragma unroll 4
  for (int p = first; p < first + kOwned; ++p) {
    float* w = weights + p * kWeightPitch;
    const float before = pairs.largest[p], w0 = w[lane], w1 = w[lane + 32];
    const float now = fmaxf(before, warp_max(fmaxf(w0, w1)));
    const float e0 = w0 == -INFINITY ? 0.0f : expf(w0 - now), e1 = w1 == -INFINITY ? 0.0f : expf(w1 - now);
    w[lane] = e0;
    w[lane + 32] = e1;
    const float sum = warp_sum(e0 + e1);
    __syncwarp();
    if (lane == 0) {
      const float factor = before == -INFINITY ? 0.0f : expf(before - now);
      pairs.rescale[p] = factor;
      pairs.total[p] = fmaf(pairs.total[p], factor, sum);
      pairs.largest[p] = now;
    }
  }
  __syncwarp();
}

// owned = owned * rescale + weights * values; with kWhole every pair sees the whole page.
template <int kDim, bool kWhole>
__device__ __forceinline__ void mix_page(const ManyPairs& pairs, const float* weights, const float* values, int begin,
                                         float (&owned)[kOwned][kDim / 32]) {
  constexpr int kColumns = kDim / 32;
  const int lane = static_cast<int>(threadIdx.x) & 31, first = static_cast<int>(threadIdx.x >> 5) * kOwned;
#pragma unroll
  for (int p = 0; p < kOwned; ++p)
#pragma unroll
    for (int d = 0; d < kColumns; ++d) owned[p][d] *= pairs.rescale[first + p];
#pragma unroll 1
  for (int j = 0; j < kPage; j += 4) {
    float v[4][kColumns];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float* row = values + (j + i) * ManyMemory<kDim>::kPitch + lane * kColumns;
      if constexpr (kColumns == 4) {
        const float4 four = *reinterpret_cast<const float4*>(row);
        v[i][0] = four.x, v[i][1] = four.y, v[i][2] = four.z, v[i][3] = four.w;
      } else {
        const float2 two = *reinterpret_cast<const float2*>(row);
        v[i][0] = two.x, v[i][1] = two.y;
      }
    }
#pragma unroll
    for (int p = 0; p < kOwned; ++p) {
      const float4 four = *reinterpret_cast<const float4*>(weights + (first + p) * kWeightPitch + j);
      const float w[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (!kWhole && (begin + j + i < pairs.from[first + p] || begin + j + i >= pairs.to[first + p])) continue;
#pragma unroll
        for (int d = 0; d < kColumns; ++d) owned[p][d] = fmaf(w[i], v[i][d], owned[p][d]);
      }
    }
  }
}

// The results of a warp's pairs, or what the chunk has of them.
template <int kDim>
__device__ __forceinline__ void write_pairs(const AttendArgs& a, const ManyPairs& pairs, const float (&owned)[kOwned][kDim / 32],
                                            std::int64_t first_row, int n_rows, int first_head, int heads) {
  constexpr int kColumns = kDim / 32;
  const int lane = static_cast<int>(threadIdx.x) & 31, first = static_cast<int>(threadIdx.x >> 5) * kOwned;
#pragma unroll
  for (int p = 0; p < kOwned; ++p) {
    const int r = (first + p) / heads, head = first_head + (first + p) % heads;
    if (r >= n_rows) continue;
    const std::int64_t row = first_row + r;
    float* part = a.partial == nullptr ? nullptr : a.partial + ((row * a.heads + head) * a.n_chunks + blockIdx.x) * (kDim + 2);
    float* to = part == nullptr ? a.out.at + row * a.out.stride + head * kDim : part + 2;
#pragma unroll
    for (int d = 0; d < kColumns; ++d) to[lane * kColumns + d] = part == nullptr ? owned[p][d] / pairs.total[first + p] : owned[p][d];
    if (part != nullptr && lane == 0) {
      part[0] = pairs.largest[first + p];
      part[1] = pairs.total[first + p];
    }
  }
}

// grid: chunk, key-value head, tile of rows.
template <int kDim>
__global__ void __launch_bounds__(kThreads, 2) attend_many_kernel(AttendArgs a, Caches c, int heads, const std::int32_t* tiles) {
  using Memory = ManyMemory<kDim>;
  begin_kernel();
  extern __shared__ float4 many_memory[];
  __shared__ ManyPairs pairs;
  float* queries = reinterpret_cast<float*>(many_memory);
  float* page_rows = queries + kPairs * Memory::kPitch;
  float* weights = page_rows + kPage * Memory::kPitch;
  const std::int64_t first_row = tiles[2 * blockIdx.z];
  const int n_rows = tiles[2 * blockIdx.z + 1], kv = static_cast<int>(blockIdx.y), first_head = kv * heads;
  const int window = static_cast<int>(a.window), chunk_begin = static_cast<int>((a.first_chunk + blockIdx.x) * kChunk);
  const RowPlace first = c.places[first_row];
  const int last_position = first.position + n_rows - 1, first_seen = window > 0 ? max(0, first.position - window + 1) : 0;
  const int begin_page = max(chunk_begin, first_seen / kPage * kPage);
  const int end_page = min(chunk_begin + static_cast<int>(kChunk), last_position + 1);
  if (chunk_begin > last_position || chunk_begin + static_cast<int>(kChunk) <= first_seen) return;  // joining skips it too

  const int thread = static_cast<int>(threadIdx.x);
  if (thread < kPairs) {
    const int r = thread / heads, position = first.position + r;
    pairs.largest[thread] = -INFINITY;
    pairs.total[thread] = 0;
    pairs.to[thread] = r < n_rows ? position + 1 : 0;
    pairs.from[thread] = window > 0 ? max(0, position - window + 1) : 0;
  }
  for (int i = thread; i < kPairs * kDim; i += kThreads) {
    const int p = i / kDim, r = p / heads;
    queries[p * Memory::kPitch + i % kDim] =
        r < n_rows ? a.q.at[(first_row + r) * a.q.stride + (first_head + p % heads) * kDim + i % kDim] : 0.0f;
  }
  const int last_from = window > 0 ? max(0, last_position - window + 1) : 0;
  float owned[kOwned][kDim / 32] = {};
  uint4 raw[Memory::kPieces] = {};
  const auto fetch_page = [&](bool values, int begin) {
    const std::byte* page = c.pages[first.first_page + begin / kPage];
    const std::byte* rows = values ? page + c.values_offset + kv * kPage * c.value_row : page + c.keys_offset + kv * kPage * c.key_row;
    fetch<kDim>(rows, values ? c.value_row : c.key_row, max(first_seen - begin, 0), min(last_position + 1 - begin, kPage), raw);
  };
  fetch_page(false, begin_page);
  for (int begin = begin_page; begin < end_page; begin += kPage) {
    __syncthreads();  // nobody reads the values of the page before
    store<kDim>(c.type, raw, page_rows);
    __syncthreads();
    fetch_page(true, begin);
    score_page<kDim>(a, pairs, queries, page_rows, begin, weights);
    __syncthreads();  // nor the keys
    store<kDim>(c.type, raw, page_rows);
    if (begin + kPage < end_page) fetch_page(false, begin + kPage);
    weigh_page(pairs, weights);
    __syncthreads();
    if (begin >= last_from && begin + kPage <= first.position + 1)
      mix_page<kDim, true>(pairs, weights, page_rows, begin, owned);
    else
      mix_page<kDim, false>(pairs, weights, page_rows, begin, owned);
  }
  write_pairs<kDim>(a, pairs, owned, first_row, n_rows, first_head, heads);
}

template <int kDim>
void launch_many(const AttendArgs& a, const Caches& caches, const std::int32_t* tiles, std::int64_t n_tiles, Stream stream) {
  constexpr std::size_t kBytes = 4 * ManyMemory<kDim>::kFloats;
  cudaFuncSetAttribute(attend_many_kernel<kDim>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kBytes));
  constexpr std::int64_t kMostTiles = 65535;
  for (std::int64_t begin = 0; begin < n_tiles; begin += kMostTiles) {
    const std::int64_t count = n_tiles - begin < kMostTiles ? n_tiles - begin : kMostTiles;
    const dim3 grid(static_cast<unsigned>(a.n_chunks), static_cast<unsigned>(caches.heads), static_cast<unsigned>(count));
    launch(attend_many_kernel<kDim>, grid, dim3(kThreads), kBytes, stream, a, caches, a.heads / caches.heads, tiles + 2 * begin);
  }
}

}  // namespace

int attend_many_rows(const AttendArgs& a, const Caches& c) {
  const int heads = a.heads / c.heads;
  const bool known = (c.type == KvType::f16 || c.type == KvType::bf16) && c.key_dim == c.value_dim && (c.key_dim == 64 || c.key_dim == 128);
  // Rows are read 16 bytes at a time.
  const bool aligned = c.key_row % 16 == 0 && c.value_row % 16 == 0 && c.keys_offset % 16 == 0 && c.values_offset % 16 == 0;
  return known && aligned && heads <= kPairs / 4 && a.n >= kFewestRows ? kPairs / heads : 0;
}

void attend_many(const AttendArgs& a, const Caches& caches, const std::int32_t* tiles, std::int64_t n_tiles, Stream stream) {
  if (caches.key_dim == 64)
    launch_many<64>(a, caches, tiles, n_tiles, stream);
  else
    launch_many<128>(a, caches, tiles, n_tiles, stream);
}

}  // namespace jang::kernels::cuda
