// SPDX-License-Identifier: Apache-2.0
// Kernels that write the paged caches and attend over them (kernels/kv_cache.h).
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/kv_cache.h"

namespace jang::kernels::cuda {

// One attention layer's part of every page, and the batch: where each row is and the addresses of the pages of its sequence.
struct Caches {
  KvType type = KvType::f32;
  std::int32_t heads = 0, key_dim = 0, value_dim = 0;
  std::int64_t key_row = 0, value_row = 0;          // bytes
  std::int64_t keys_offset = 0, values_offset = 0;  // bytes from the start of a page
  std::byte* const* pages = nullptr;
  const RowPlace* places = nullptr;  // by row
  friend bool operator==(const Caches&, const Caches&) = default;
};

// As RopeStore. `overflowed` is set to 1 when a value becomes an infinity of an f16 cache.
struct RopeStoreArgs {
  Rows q, k, v, cosines, sines;
  const float* q_norm = nullptr;
  const float* k_norm = nullptr;
  float eps = 0, offset = 0;
  std::int32_t q_heads = 0, half = 0;
  bool interleaved = false, norm_last = false;
  std::int64_t n = 0;
  int* overflowed = nullptr;
};
void rope_store(const RopeStoreArgs& a, const Caches& caches, Stream stream);

// As Attend. Positions are taken in chunks of kChunk that begin at its multiples; with more than one, `partial` holds for every row, head
// and chunk its largest score, its sum and value_dim sums, attend_partial_floats() of them.
inline constexpr std::int64_t kChunk = 4 * kPagePositions;
struct AttendArgs {
  Rows q, out;
  std::int32_t heads = 0;
  std::int64_t n = 0, window = 0;
  float scale = 1, softcap = 0;
  std::int64_t first_chunk = 0, n_chunks = 1;  // that any row of the batch sees
  float* partial = nullptr;
};
[[nodiscard]] std::int64_t attend_partial_floats(std::int64_t n, std::int64_t heads, std::int64_t value_dim, std::int64_t n_chunks);
// Rows of a sequence that a block takes at once.
[[nodiscard]] int attend_rows_per_block(const AttendArgs& a, const Caches& caches);
// `tiles`, on the card: first row and number of rows, at most attend_rows_per_block(), of neighbouring rows of one sequence each.
void attend(const AttendArgs& a, const Caches& caches, const std::int32_t* tiles, std::int64_t n_tiles, Stream stream);
// What follows it: joins the chunks, where there is more than one, and rotates what attend_one() left (attention_one.h); rope.q.at null:
// nothing.
void join_chunks(const AttendArgs& a, const Caches& caches, const RopeStoreArgs& rope, Stream stream);
// Largest head that attend() has memory for.
inline constexpr std::int32_t kMostHeadDim = 640;

}  // namespace jang::kernels::cuda
