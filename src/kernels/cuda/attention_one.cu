// SPDX-License-Identifier: Apache-2.0
// A block takes the query heads of a key-value head of one row, and one chunk of positions. All of the chunk's keys and values come into
// shared memory at once, as they are stored, and those of earlier steps before the kernel in front has ended. Then every pair of head and
// position has its score, the softmax is carried from page to page, and every element of the result adds up its values.
//
// Sums are those of attention.cu, step for step: a score in the order of columns, a page's softmax by a warp, values in the order of
// positions, rescaled at the start of a page.
#include "kernels/cuda/attention_one.h"

#include "kernels/cuda/cached_rows.cuh"
#include "kernels/cuda/fast_codes.cuh"
#include "kernels/cuda/launch_beside.cuh"
#include "kernels/cuda/stored_heads.cuh"
#include "kernels/cuda/warpgroup.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kPage = static_cast<int>(kPagePositions), kChunkPages = static_cast<int>(kChunk) / kPage;
constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kMostHeads = 16;  // of a group
constexpr int kMostKeyDim = 512;
constexpr int kOwned = 2;  // elements of the result a thread adds up at once
constexpr int kMostBytes = 200 * 1024;

// Shared memory: queries [heads][key_dim], weights [heads][kChunk], both float; keys [position] with 16 bytes between rows, so that rows
// fall into different banks; values [position].
struct Layout {
  int key_pitch, value_pitch, weights_at, keys_at, values_at, bytes;
  __host__ __device__ Layout(int heads, int key_dim, int value_dim, int pages)
      : key_pitch(2 * key_dim + 16),
        value_pitch(2 * value_dim),
        weights_at(heads * key_dim * 4),
        keys_at(weights_at + heads * static_cast<int>(kChunk) * 4),
        values_at(keys_at + pages * kPage * key_pitch),
        bytes(values_at + pages * kPage * value_pitch) {}
};

// Pages of a chunk that there is memory for.
__host__ __device__ int pages_of(std::int64_t n_chunks, std::int64_t last_position) {
  return n_chunks > 1 ? kChunkPages : static_cast<int>(last_position % kChunk / kPage) + 1;
}

// Scores of kHeads heads with one key.
template <int kHeads>
__device__ __forceinline__ void score(KvType type, const float* queries, const std::byte* key, int dim, float (&scores)[kHeads]) {
#pragma unroll 4
  for (int d = 0; d < dim; d += 8) {
    float k[8];
    as_floats(type, *reinterpret_cast<const uint4*>(key + 2 * d), k);
#pragma unroll
    for (int h = 0; h < kHeads; ++h)
#pragma unroll
      for (int part = 0; part < 2; ++part) {
        const float4 q = *reinterpret_cast<const float4*>(queries + h * dim + d + 4 * part);
        const float* of = k + 4 * part;
        scores[h] = fmaf(q.w, of[3], fmaf(q.z, of[2], fmaf(q.y, of[1], fmaf(q.x, of[0], scores[h]))));
      }
  }
}

__device__ __forceinline__ float value_of(KvType type, const std::byte* at) {
  return stored_value(type == KvType::bf16 ? DType::bf16 : DType::f16, at, 0);
}

// Queries of a row's group into shared memory, rotated; with `store` the row's key and value into the cache and shared memory. A warp a
// head.
template <KvType kType>
__device__ __forceinline__ void rotate_and_store(const AttendArgs& a, const Caches& c, const RopeStoreArgs& rope, std::int64_t row, int kv,
                                                 bool store, std::byte* page, int in_page, float* queries, float* key,
                                                 std::byte* shared_key, std::byte* shared_value) {
  const int heads = a.heads / c.heads, lane = static_cast<int>(threadIdx.x) & 31;
  for (int h = static_cast<int>(threadIdx.x) >> 5; h < heads + (store ? 2 : 0); h += kWarps) {
    if (h == heads + 1) {
      const float* value = rope.v.at + row * rope.v.stride + kv * c.value_dim;
      store_row(kType, value, c.value_dim, page + c.values_offset + (kv * kPage + in_page) * c.value_row, lane, rope.overflowed);
      store_row(kType, value, c.value_dim, shared_value, lane, rope.overflowed);
      continue;
    }
    const bool of_queries = h < heads;
    float* head = of_queries ? queries + h * c.key_dim : key;
    float* from =
        of_queries ? rope.q.at + row * rope.q.stride + (kv * heads + h) * c.key_dim : rope.k.at + row * rope.k.stride + kv * c.key_dim;
    rotate_head(rope, of_queries, from, c.key_dim, row, head, a.n_chunks == 1 ? from : nullptr);
    if (of_queries) continue;
    store_row(kType, head, c.key_dim, page + c.keys_offset + (kv * kPage + in_page) * c.key_row, lane, rope.overflowed);
    store_row(kType, head, c.key_dim, shared_key, lane, rope.overflowed);
  }
}

// grid: chunk, key-value head, row.
template <KvType kType>
__global__ void __launch_bounds__(kThreads) attend_one_kernel(AttendArgs a, Caches c, RopeStoreArgs rope, int pages) {
  let_next_start();
  extern __shared__ uint4 memory[];
  __shared__ float key[kMostKeyDim], largest_of[kMostHeads], total_of[kMostHeads], rescale[kMostHeads][kChunkPages];
  auto* shared = reinterpret_cast<std::byte*>(memory);
  const int heads = a.heads / c.heads, kv = static_cast<int>(blockIdx.y), thread = static_cast<int>(threadIdx.x);
  const Layout at(heads, c.key_dim, c.value_dim, pages);
  auto* queries = reinterpret_cast<float*>(shared);
  auto* weights = reinterpret_cast<float*>(shared + at.weights_at);
  const std::int64_t row = blockIdx.z;
  const RowPlace place = c.places[row];
  const int chunk_begin = static_cast<int>((a.first_chunk + blockIdx.x) * kChunk), position = place.position - chunk_begin;
  const int begin = a.window > 0 ? max(0, position - static_cast<int>(a.window) + 1) : 0,
            end = min(static_cast<int>(kChunk), position + 1);  // positions of the chunk that are read
  if (begin >= end) return;
  std::byte* const* table = c.pages + place.first_page + chunk_begin / kPage;

  // Bytes of a position: keys, then values, in pieces of 16.
  const int key_pieces = c.key_dim / 8, pieces = key_pieces + c.value_dim / 8;
  const auto bring = [&](int p, int piece) {
    const std::byte* page = table[p / kPage];
    const int in_page = kv * kPage + p % kPage;
    if (piece < key_pieces)
      copy_async<16>(shared_address(shared + at.keys_at + p * at.key_pitch + piece * 16),
                     page + c.keys_offset + in_page * c.key_row + piece * 16, 16);
    else
      copy_async<16>(shared_address(shared + at.values_at + p * at.value_pitch + (piece - key_pieces) * 16),
                     page + c.values_offset + in_page * c.value_row + (piece - key_pieces) * 16, 16);
  };
  const int old_end = min(end, position);  // earlier steps have written what is in front
  for (int i = thread; i < (old_end - begin) * pieces; i += kThreads) bring(begin + i / pieces, i % pieces);
  wait_for_previous();
  const bool own = position < end;  // the row's own key and value are in this chunk
  if (rope.q.at != nullptr) {
    rotate_and_store<kType>(a, c, rope, row, kv, own, own ? table[position / kPage] : nullptr, position % kPage, queries, key,
                            shared + at.keys_at + position * at.key_pitch, shared + at.values_at + position * at.value_pitch);
  } else {
    if (own && thread < pieces) bring(position, thread);
    for (int i = thread; i < heads * c.key_dim; i += kThreads) queries[i] = a.q.at[row * a.q.stride + kv * heads * c.key_dim + i];
  }
  commit_copies();
  wait_for_copies<0>();
  __syncthreads();

  const int first_page = begin / kPage, end_page = (end + kPage - 1) / kPage, width = (end_page - first_page) * kPage;
  const auto score_heads = [&]<int kHeads>(int item) {
    const int j = first_page * kPage + item % width, h = item / width * kHeads;
    float scores[kHeads] = {};
    const bool is_seen = j >= begin && j < end;
    if (is_seen) score<kHeads>(kType, queries + h * c.key_dim, shared + at.keys_at + j * at.key_pitch, c.key_dim, scores);
#pragma unroll
    for (int i = 0; i < kHeads; ++i) {
      float value = scores[i] * a.scale;
      if (a.softcap != 0) value = a.softcap * tanhf(value / a.softcap);
      weights[(h + i) * kChunk + j] = is_seen ? value : -INFINITY;
    }
  };
  if (heads % 4 == 0 && heads * width > kThreads)  // a key is read once for four heads
    for (int item = thread; item < heads / 4 * width; item += kThreads) score_heads.operator()<4>(item);
  else
    for (int item = thread; item < heads * width; item += kThreads) score_heads.operator()<1>(item);
  __syncthreads();

  for (int h = thread >> 5; h < heads; h += kWarps) {  // a warp per head
    const int lane = thread & 31;
    float largest = -INFINITY, total = 0;
    for (int page = first_page; page < end_page; ++page) {
      float* w = weights + h * kChunk + page * kPage;
      const float before = largest, w0 = w[lane], w1 = w[lane + 32];
      largest = fmaxf(before, warp_max(fmaxf(w0, w1)));
      const float e0 = w0 == -INFINITY ? 0.0f : expf(w0 - largest), e1 = w1 == -INFINITY ? 0.0f : expf(w1 - largest);
      w[lane] = e0;
      w[lane + 32] = e1;
      const float factor = before == -INFINITY ? 0.0f : expf(before - largest);
      total = fmaf(total, factor, warp_sum(e0 + e1));
      if (lane == 0) rescale[h][page] = factor;
    }
    if (lane == 0) largest_of[h] = largest, total_of[h] = total;
  }
  __syncthreads();

  const int n = heads * c.value_dim;
  for (int base = thread; base < n; base += kOwned * kThreads) {
    float owned[kOwned] = {};
    const float* w[kOwned];
    const std::byte* v[kOwned];
    int head_of[kOwned];
#pragma unroll
    for (int i = 0; i < kOwned; ++i) {
      const int e = min(base + i * kThreads, n - 1);
      head_of[i] = e / c.value_dim;
      w[i] = weights + head_of[i] * kChunk;
      v[i] = shared + at.values_at + 2 * (e - head_of[i] * c.value_dim);
    }
    for (int page = first_page; page < end_page; ++page) {
#pragma unroll
      for (int i = 0; i < kOwned; ++i) owned[i] *= rescale[head_of[i]][page];
      const int last = min(end, (page + 1) * kPage);
#pragma unroll 8
      for (int j = max(begin, page * kPage); j < last; ++j)
#pragma unroll
        for (int i = 0; i < kOwned; ++i) owned[i] = fmaf(w[i][j], value_of(kType, v[i] + j * at.value_pitch), owned[i]);
    }
#pragma unroll
    for (int i = 0; i < kOwned; ++i) {
      const int e = base + i * kThreads;
      if (e >= n) break;
      const int h = head_of[i], d = e - h * c.value_dim, head = kv * heads + h;
      if (a.partial == nullptr) {
        a.out.at[row * a.out.stride + head * c.value_dim + d] = owned[i] / total_of[h];
        continue;
      }
      float* part_of = a.partial + ((row * a.heads + head) * a.n_chunks + blockIdx.x) * (c.value_dim + 2);
      part_of[2 + d] = owned[i];
      if (d == 0) {
        part_of[0] = largest_of[h];
        part_of[1] = total_of[h];
      }
    }
  }
}

}  // namespace

bool attend_one_supports(const AttendArgs& a, const Caches& c, bool pages_aligned, std::int64_t last_position) {
  if (!kernels_overlap || !pages_aligned || (c.type != KvType::f16 && c.type != KvType::bf16)) return false;
  const int heads = a.heads / c.heads;
  if (heads > kMostHeads || c.key_dim % 8 != 0 || c.value_dim % 8 != 0 || c.key_dim > kMostKeyDim) return false;
  if ((c.key_dim + c.value_dim) / 8 > kThreads || c.keys_offset % 16 != 0 || c.values_offset % 16 != 0) return false;
  return Layout(heads, c.key_dim, c.value_dim, pages_of(a.n_chunks, last_position)).bytes <= kMostBytes;
}

namespace {

template <KvType kType>
void launch_attend(const AttendArgs& a, const Caches& c, const RopeStoreArgs& rope, int pages, Stream stream) {
  [[maybe_unused]] static const bool sized =
      cudaFuncSetAttribute(attend_one_kernel<kType>, cudaFuncAttributeMaxDynamicSharedMemorySize, kMostBytes) == cudaSuccess;
  const Layout layout(a.heads / c.heads, c.key_dim, c.value_dim, pages);
  launch_beside(attend_one_kernel<kType>,
                dim3(static_cast<unsigned>(a.n_chunks), static_cast<unsigned>(c.heads), static_cast<unsigned>(a.n)), dim3(kThreads),
                static_cast<std::size_t>(layout.bytes), stream, a, c, rope, pages);
}

}  // namespace

void attend_one(const AttendArgs& a, const Caches& c, const RopeStoreArgs& rope, std::int64_t last_position, Stream stream) {
  const int pages = pages_of(a.n_chunks, last_position);
  if (c.type == KvType::bf16)
    launch_attend<KvType::bf16>(a, c, rope, pages, stream);
  else
    launch_attend<KvType::f16>(a, c, rope, pages, stream);
}

}  // namespace jang::kernels::cuda
