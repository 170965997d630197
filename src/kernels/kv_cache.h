// SPDX-License-Identifier: Apache-2.0
// Keys and values in pages of 64 positions, which sequences may share. A page holds every attention layer's part:
//
//   page:  [layer] [keys: kv head, position, row] [values: kv head, position, row]
//
// A sequence is a list of page numbers: position p of it lies in page pages[p / 64], at p % 64.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/tensor.h"

namespace jang::kernels {

struct SequenceRun;

inline constexpr std::int64_t kPagePositions = 64;

// How a row, one head of one position, is kept.
enum class KvType : std::uint8_t { f32, f16, bf16, q8 };
// Bytes of a row of `dim` values: q8 is dim signed bytes followed by one float32 scale.
[[nodiscard]] constexpr std::int64_t kv_row_bytes(KvType t, std::int64_t dim) {
  switch (t) {
    case KvType::f32: return 4 * dim;
    case KvType::q8: return dim + 4;
    default: return 2 * dim;
  }
}

// One attention layer's part of every page.
struct KvLayer {
  KvType type = KvType::f32;
  std::int64_t heads = 0, key_dim = 0, value_dim = 0;
  std::int64_t offset = 0;  // bytes from the start of a page
  [[nodiscard]] std::int64_t key_row_bytes() const { return kv_row_bytes(type, key_dim); }
  [[nodiscard]] std::int64_t value_row_bytes() const { return kv_row_bytes(type, value_dim); }
  [[nodiscard]] std::int64_t values_offset() const { return offset + heads * kPagePositions * key_row_bytes(); }
  [[nodiscard]] std::int64_t bytes() const { return heads * kPagePositions * (key_row_bytes() + value_row_bytes()); }
};

// The pages' memory: page i lies in slabs[i / pages_per_slab].
struct PageStore {
  std::int64_t page_bytes = 0, pages_per_slab = 1;
  std::vector<Buffer*> slabs;
};

// The sequences of a batch and where their caches are. Pages of a run cover its positions, those of the batch included.
struct KvBatch {
  const PageStore* store = nullptr;
  std::span<const SequenceRun> runs;
  std::span<const std::span<const std::int32_t>> pages;  // by run
};

}  // namespace jang::kernels
