// SPDX-License-Identifier: Apache-2.0
// Attention on the card: where the rows of a batch have their pages, as tables that all layers of a step share.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "kernels/cuda/attention_many.h"
#include "kernels/cuda/attention_one.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/rows.h"

namespace jang::kernels::cuda {
namespace {

std::byte* page_address(const PageStore& store, std::int32_t page) {
  const auto slab = static_cast<std::size_t>(page / store.pages_per_slab);
  return static_cast<CudaBuffer*>(store.slabs[slab])->data + page % store.pages_per_slab * store.page_bytes;
}

}  // namespace

// One block of memory: addresses of the pages of all runs, places of the rows, tiles. Layers of a step send it once.
bool CudaDevice::tables_of(const KvBatch& batch, std::int64_t rows_per_tile, BatchTables* tables) {
  std::int64_t n_rows = 0, n_pages = 0, n_tiles = 0;
  for (std::size_t r = 0; r < batch.runs.size(); ++r) {
    n_rows = std::max(n_rows, batch.runs[r].first_row + batch.runs[r].n_rows);
    n_pages += static_cast<std::int64_t>(batch.pages[r].size());
    n_tiles += (batch.runs[r].n_rows + rows_per_tile - 1) / rows_per_tile;
  }
  const std::int64_t places_at = n_pages * 8, tiles_at = places_at + n_rows * 8, bytes = tiles_at + n_tiles * 8;
  tables_now_.assign(static_cast<std::size_t>(bytes), std::byte{0});
  auto* pages = reinterpret_cast<std::byte**>(tables_now_.data());
  auto* places = reinterpret_cast<RowPlace*>(tables_now_.data() + places_at);
  auto* tiles = reinterpret_cast<std::int32_t*>(tables_now_.data() + tiles_at);
  std::int32_t first_page = 0;
  bool any = false;
  for (std::size_t r = 0; r < batch.runs.size(); ++r) {
    const SequenceRun& run = batch.runs[r];
    for (const std::int32_t page : batch.pages[r]) *pages++ = page_address(*batch.store, page);
    for (std::int64_t i = 0; i < run.n_rows; ++i) places[run.first_row + i] = {static_cast<std::int32_t>(run.position + i), first_page};
    for (std::int64_t i = 0; i < run.n_rows; i += rows_per_tile) {
      *tiles++ = static_cast<std::int32_t>(run.first_row + i);
      *tiles++ = static_cast<std::int32_t>(std::min(rows_per_tile, run.n_rows - i));
    }
    if (run.n_rows > 0) {
      tables->first_position = any ? std::min(tables->first_position, run.position) : run.position;
      tables->last_position = any ? std::max(tables->last_position, run.position + run.n_rows - 1) : run.position + run.n_rows - 1;
      any = true;
    }
    first_page += static_cast<std::int32_t>(batch.pages[r].size());
  }
  if (!any) return false;
  const std::byte* before = tables_ == nullptr ? nullptr : tables_->data;
  std::byte* memory = scratch(&tables_, bytes);
  if (memory == nullptr) return false;
  if (memory != before || tables_now_ != tables_sent_) {
    tables_sent_.clear();
    if (!send(tables_now_.data(), bytes, memory)) return false;
    tables_sent_ = tables_now_;
  }
  tables->pages = reinterpret_cast<std::byte* const*>(memory);
  tables->places = reinterpret_cast<const RowPlace*>(memory + places_at);
  tables->tiles = reinterpret_cast<const std::int32_t*>(memory + tiles_at);
  tables->n_tiles = n_tiles;
  return true;
}

Caches CudaDevice::caches_of(const KvLayer& layer, const BatchTables& tables) const {
  Caches c;
  c.type = layer.type;
  c.heads = static_cast<std::int32_t>(layer.heads);
  c.key_dim = static_cast<std::int32_t>(layer.key_dim);
  c.value_dim = static_cast<std::int32_t>(layer.value_dim);
  c.key_row = layer.key_row_bytes();
  c.value_row = layer.value_row_bytes();
  c.keys_offset = layer.offset;
  c.values_offset = layer.values_offset();
  c.pages = tables.pages;
  c.places = tables.places;
  return c;
}

void CudaDevice::rotation(const Tensor& positions, const Tensor& frequencies, float factor, const Tensor& cosines, const Tensor& sines) {
  cuda::rotation(address<const std::int32_t>(positions), address(frequencies), factor, rows_of(cosines), rows_of(sines), positions.rows,
                 frequencies.columns, stream());
  launched("rotation");
}

namespace {

// Rows of a tile, the same for rope_store and attend, so that a step has one table.
struct TileRows {
  std::int64_t rows = 0;
  bool many = false;  // tiles of attention_many.h
};
TileRows rows_of_tiles(const KvLayer& layer, std::int64_t heads, std::int64_t n, const KvBatch& batch) {
  AttendArgs a;
  a.heads = static_cast<std::int32_t>(heads);
  a.n = n;
  Caches c;
  c.type = layer.type;
  c.heads = static_cast<std::int32_t>(layer.heads);
  c.key_dim = static_cast<std::int32_t>(layer.key_dim);
  c.value_dim = static_cast<std::int32_t>(layer.value_dim);
  c.key_row = layer.key_row_bytes();
  c.value_row = layer.value_row_bytes();
  c.keys_offset = layer.offset;
  c.values_offset = layer.values_offset();
  // With less than half a tile of rows in a sequence the other kernel is faster.
  const int many = batch.store->page_bytes % 16 == 0 ? attend_many_rows(a, c) : 0;
  if (many > 0 && 2 * n >= many * static_cast<std::int64_t>(batch.runs.size())) return {many, true};
  return {attend_rows_per_block(a, c), false};
}

// Steps of decoding: the kernels of attention_one.h.
bool alone_in_their_sequences(const KvBatch& batch) {
  return std::ranges::all_of(batch.runs, [](const SequenceRun& run) { return run.n_rows <= 1; });
}

}  // namespace

void CudaDevice::rope_store(const RopeStore& op, const KvBatch& batch) {
  BatchTables tables;
  const std::int64_t heads = op.q.columns / op.cache.key_dim;
  if (!tables_of(batch, rows_of_tiles(op.cache, heads, op.q.rows, batch).rows, &tables)) return;
  RopeStoreArgs a;
  a.q = rows_of(op.q);
  a.k = rows_of(op.k);
  a.v = rows_of(op.v);
  a.cosines = rows_of(op.cosines);
  a.sines = rows_of(op.sines);
  a.q_norm = values_or_null(op.q_norm);
  a.k_norm = values_or_null(op.k_norm);
  a.eps = op.eps;
  a.offset = op.offset;
  a.q_heads = static_cast<std::int32_t>(heads);
  a.half = op.cosines.exists() ? static_cast<std::int32_t>(op.cosines.columns) : 0;
  a.interleaved = op.interleaved;
  a.norm_last = op.norm_last;
  a.n = op.q.rows;
  a.overflowed = overflowed_;
  const Caches caches = caches_of(op.cache, tables);
  if (kernels_overlap && !op.interleaved && !op.norm_last && alone_in_their_sequences(batch)) {  // attend() may do it
    flush();
    waiting_.rope = {a, caches};
    return;
  }
  cuda::rope_store(a, caches, stream());
  launched("rope_store");
}

void CudaDevice::attend(const Attend& op, const KvBatch& batch) {
  if (std::max(op.cache.key_dim, op.cache.value_dim) > kMostHeadDim)
    return fail(StatusCode::unsupported, "attention heads of " + std::to_string(op.cache.key_dim) + " values; the cuda device takes " +
                                             std::to_string(kMostHeadDim) + " at most");
  BatchTables tables;
  const TileRows tile_rows = rows_of_tiles(op.cache, op.heads, op.q.rows, batch);
  if (!tables_of(batch, tile_rows.rows, &tables)) return;
  AttendArgs a;
  a.q = rows_of(op.q);
  a.out = rows_of(op.out);
  a.heads = static_cast<std::int32_t>(op.heads);
  a.n = op.q.rows;
  a.window = op.window;
  a.scale = op.scale;
  a.softcap = op.softcap;
  const std::int64_t first_seen = op.window > 0 ? std::max<std::int64_t>(0, tables.first_position - op.window + 1) : 0;
  a.first_chunk = first_seen / kChunk;
  a.n_chunks = tables.last_position / kChunk + 1 - a.first_chunk;
  if (const std::int64_t floats = attend_partial_floats(a.n, op.heads, op.cache.value_dim, a.n_chunks); floats > 0) {
    a.partial = reinterpret_cast<float*>(scratch(&partials_, floats * 4));
    if (a.partial == nullptr) return;
  }
  const Caches caches = caches_of(op.cache, tables);
  RopeStoreArgs rope;
  if (alone_in_their_sequences(batch) && attend_one_supports(a, caches, batch.store->page_bytes % 16 == 0, tables.last_position)) {
    if (waiting_.rope && waiting_.rope->args.q.at == a.q.at && waiting_.rope->args.n == a.n && waiting_.rope->caches == caches)
      rope = std::exchange(waiting_.rope, std::nullopt)->args;
    attend_one(a, caches, rope, tables.last_position, stream());
  } else if (tile_rows.many)
    attend_many(a, caches, tables.tiles, tables.n_tiles, stream());
  else
    cuda::attend(a, caches, tables.tiles, tables.n_tiles, stream());
  join_chunks(a, caches, rope, stream());
  launched("attend");
}

}  // namespace jang::kernels::cuda
