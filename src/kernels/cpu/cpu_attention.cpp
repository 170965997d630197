// SPDX-License-Identifier: Apache-2.0
// Attention on the CPU: tokens are written to the caches in parallel, then tasks of some query heads of one key-value head and some
// consecutive queries of one sequence.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/cpu_device.h"

namespace jang::kernels {
namespace {

constexpr std::int64_t kQueryBlock = 64;  // queries a task takes

std::byte* page_address(const PageStore& store, std::int32_t page) {
  const auto slab = static_cast<std::size_t>(page / store.pages_per_slab);
  return static_cast<CpuBuffer*>(store.slabs[slab])->data + page % store.pages_per_slab * store.page_bytes;
}

bool has_infinity(const std::byte* halves, std::int64_t n) {
  constexpr std::uint16_t kMagnitude = 0x7fff, kInfinity = 0x7c00;
  std::uint16_t found = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, halves + 2 * i, 2);
    found = static_cast<std::uint16_t>(found | static_cast<std::uint16_t>((half & kMagnitude) == kInfinity));
  }
  return found != 0;
}

// As Ops::rope, for pairs of neighbours.
void rope_neighbours(float* x, const float* cosines, const float* sines, std::int64_t half) {
  for (std::int64_t j = 0; j < half; ++j) {
    const float a = x[2 * j], b = x[2 * j + 1];
    x[2 * j] = a * cosines[j] - b * sines[j];
    x[2 * j + 1] = b * cosines[j] + a * sines[j];
  }
}

// Query, key and value rows of one token: norms, rotation, cache.
struct TokenWriter {
  const Ops& ops;
  const RopeStore& op;
  std::atomic<bool>& overflowed;

  void store(const float* x, std::int64_t dim, std::byte* row) const {
    ops.kv_store(op.cache.type, x, dim, row);
    if (op.cache.type == KvType::f16 && has_infinity(row, dim)) overflowed.store(true, std::memory_order_relaxed);
  }

  void norm_and_rotate(float* head, const Tensor& norm, std::int64_t row) const {
    const std::int64_t dim = op.cache.key_dim;
    if (norm.exists() && !op.norm_last) ops.rms_norm(head, row_of(norm), dim, op.eps, op.offset, head);
    if (op.cosines.exists()) {
      const auto turn = op.interleaved ? rope_neighbours : ops.rope;
      turn(head, row_of(op.cosines, row), row_of(op.sines, row), op.cosines.columns);
    }
    if (norm.exists() && op.norm_last) ops.rms_norm(head, row_of(norm), dim, op.eps, op.offset, head);
  }

  void write(std::byte* page, std::int64_t position, std::int64_t row) const {
    const KvLayer& c = op.cache;
    const std::int64_t in_page = position % kPagePositions;
    for (std::int64_t h = 0; h < op.q.columns / c.key_dim; ++h) norm_and_rotate(row_of(op.q, row) + h * c.key_dim, op.q_norm, row);
    for (std::int64_t h = 0; h < c.heads; ++h) {
      float* k = row_of(op.k, row) + h * c.key_dim;
      norm_and_rotate(k, op.k_norm, row);
      store(k, c.key_dim, page + c.offset + (h * kPagePositions + in_page) * c.key_row_bytes());
      const float* v = row_of(op.v, row) + h * c.value_dim;
      store(v, c.value_dim, page + c.values_offset() + (h * kPagePositions + in_page) * c.value_row_bytes());
    }
  }
};

struct AttentionTask {
  const std::byte* const* pages;
  std::int64_t first_row, n_queries, first_position;
  std::int64_t kv_head, first_head, n_heads;
};

AttentionArgs arguments(const Attend& op, const AttentionTask& t) {
  const KvLayer& c = op.cache;
  AttentionArgs a;
  a.q = row_of(op.q, t.first_row) + t.first_head * c.key_dim;
  a.q_stride = op.q.stride;
  a.n_queries = t.n_queries;
  a.first_position = t.first_position;
  a.n_heads = t.n_heads;
  a.head_dim = c.key_dim;
  a.kv_type = c.type;
  a.pages = t.pages;
  a.k_offset = c.offset + t.kv_head * kPagePositions * c.key_row_bytes();
  a.v_offset = c.values_offset() + t.kv_head * kPagePositions * c.value_row_bytes();
  a.window = op.window;
  a.scale = op.scale;
  a.softcap = op.softcap;
  if (op.sinks.exists()) a.sinks = row_of(op.sinks) + t.first_head;
  a.out = row_of(op.out, t.first_row) + t.first_head * c.value_dim;
  a.out_stride = op.out.stride;
  return a;
}

// Rough time of a task on one thread.
std::int64_t task_ns(const Attend& op, const AttentionTask& t) {
  std::int64_t visible = t.first_position + t.n_queries;
  if (op.window > 0) visible = std::min(visible, op.window + t.n_queries);
  return t.n_queries * visible * t.n_heads * op.cache.key_dim / 4;
}

std::vector<AttentionTask> tasks_of(const Attend& op, const KvBatch& batch, const std::byte* const* pages, int threads) {
  const std::int64_t kv_heads = op.cache.heads, group = op.heads / kv_heads;
  std::int64_t blocks = 0;
  for (const SequenceRun& run : batch.runs) blocks += ceil_div(run.n_rows, kQueryBlock);
  // Few tasks, long texts: the heads of a group are shared out too, each part reading the keys again.
  std::int64_t part = group;
  while (part > 1 && part % 2 == 0 && blocks * kv_heads * (group / part) < threads) part /= 2;
  std::vector<AttentionTask> tasks;
  for (std::size_t r = 0; r < batch.runs.size(); ++r) {
    const SequenceRun& run = batch.runs[r];
    for (std::int64_t kv = 0; kv < kv_heads; ++kv)
      for (std::int64_t h = 0; h < group; h += part)
        for (std::int64_t i = 0; i < run.n_rows; i += kQueryBlock)
          tasks.push_back({pages, run.first_row + i, std::min(kQueryBlock, run.n_rows - i), run.position + i, kv, kv * group + h, part});
    pages += batch.pages[r].size();
  }
  // Longest first: blocks late in a text see more keys.
  std::ranges::stable_sort(tasks, [&](const AttentionTask& a, const AttentionTask& b) { return task_ns(op, a) > task_ns(op, b); });
  return tasks;
}

}  // namespace

// The product of position and frequency is rounded to float32, as transformers does it; cosine and sine are exact for that angle.
void CpuDevice::rotation(const Tensor& positions, const Tensor& frequencies, float factor, const Tensor& cosines, const Tensor& sines) {
  const auto* position = row_of<const std::int32_t>(positions);
  const float* frequency = row_of(frequencies);
  const std::int64_t half = frequencies.columns;
  parallel_.run(positions.rows, half * 40, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < half; ++j) {
      const float angle = static_cast<float>(position[i]) * frequency[j];
      row_of(cosines, i)[j] = static_cast<float>(std::cos(static_cast<double>(angle))) * factor;
      row_of(sines, i)[j] = static_cast<float>(std::sin(static_cast<double>(angle))) * factor;
    }
  });
}

void CpuDevice::rope_store(const RopeStore& op, const KvBatch& batch) {
  const TokenWriter writer{ops_, op, overflowed_};
  for (std::size_t r = 0; r < batch.runs.size(); ++r) {
    const SequenceRun& run = batch.runs[r];
    parallel_.run(run.n_rows, 2 * (op.q.columns + op.k.columns), [&](std::int64_t i) {
      const std::int64_t position = run.position + i;
      const std::int32_t page = batch.pages[r][static_cast<std::size_t>(position / kPagePositions)];
      writer.write(page_address(*batch.store, page), position, run.first_row + i);
    });
  }
}

void CpuDevice::attend(const Attend& op, const KvBatch& batch) {
  pages_.clear();
  for (const std::span<const std::int32_t> pages : batch.pages)
    for (const std::int32_t page : pages) pages_.push_back(page_address(*batch.store, page));
  const std::vector<AttentionTask> tasks = tasks_of(op, batch, pages_.data(), parallel_.threads());
  std::int64_t total = 0;
  for (const AttentionTask& t : tasks) total += task_ns(op, t);
  if (parallel_.threads() == 1 || total < 8000) {
    for (const AttentionTask& t : tasks) ops_.attention(arguments(op, t));
    return;
  }
  parallel_.each(static_cast<std::int64_t>(tasks.size()),
                 [&](std::int64_t i) { ops_.attention(arguments(op, tasks[static_cast<std::size_t>(i)])); });
}

}  // namespace jang::kernels
