// SPDX-License-Identifier: Apache-2.0
// Pages are handed out last freed first; slabs are never given back.
#include "model/cache_pool.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "model/graph.h"

namespace jang::model {
namespace {

constexpr std::int64_t kSlabBytes = std::int64_t{16} << 20;  // about; the system commits what is written

}  // namespace

CachePool::CachePool(kernels::Device& device, const arch::DecoderConfig& config, kernels::KvType type, std::int64_t byte_budget)
    : device_(device), byte_budget_(byte_budget) {
  std::int64_t bytes = 0;
  for (const arch::LayerSpec& spec : config.layers) {
    LayerCache layer = std::visit([](const auto& mixer) { return cache_of(mixer); }, spec.mixer);
    layer.kv.type = type;
    layer.kv.offset = bytes;
    bytes += layer.kv.bytes();
    layers_.push_back(std::move(layer));
  }
  store_.page_bytes = round_up<std::int64_t>(std::max<std::int64_t>(bytes, 1), 64);
  store_.pages_per_slab = std::max<std::int64_t>(1, kSlabBytes / store_.page_bytes);
}

Status CachePool::grow() {
  const auto pages = static_cast<std::int64_t>(holders_.size());
  std::int64_t more = store_.pages_per_slab;
  if (byte_budget_ > 0) more = std::min(more, byte_budget_ / store_.page_bytes - pages);
  if (more <= 0)
    return {StatusCode::out_of_memory, fmt::format("the cache is full: {} pages of {} positions, {} bytes each, budget {} bytes", pages,
                                                   kernels::kPagePositions, store_.page_bytes, byte_budget_)};
  std::unique_ptr<kernels::Buffer> slab = device_.allocate(more * store_.page_bytes);
  if (slab == nullptr)
    return {StatusCode::out_of_memory,
            fmt::format("no memory for {} more bytes of cache beside {} pages", more * store_.page_bytes, pages)};
  store_.slabs.push_back(slab.get());
  slabs_.push_back(std::move(slab));
  holders_.resize(holders_.size() + static_cast<std::size_t>(more), 0);
  for (std::int64_t p = pages + more; p-- > pages;) free_.push_back(static_cast<std::int32_t>(p));
  return {};
}

Result<std::int32_t> CachePool::take() {
  if (free_.empty()) JANG_TRY(grow());
  const std::int32_t page = free_.back();
  free_.pop_back();
  holders_[static_cast<std::size_t>(page)] = 1;
  return page;
}

void CachePool::release(std::int32_t page) {
  if (--holders_[static_cast<std::size_t>(page)] == 0) free_.push_back(page);
}

kernels::Tensor CachePool::page(std::int32_t page) const {
  const auto slab = static_cast<std::size_t>(page / store_.pages_per_slab);
  const std::int64_t bytes = store_.page_bytes;
  return {slabs_[slab].get(), page % store_.pages_per_slab * bytes, DType::u8, 1, bytes, bytes};
}

void CachePool::copy(std::int32_t from, std::int32_t to) { device_.copy(page(from), page(to)); }

std::int64_t CachePool::sequence_bytes(std::int64_t length) const {
  std::int64_t bytes = ceil_div(length, kernels::kPagePositions) * store_.page_bytes;
  for (const LayerCache& layer : layers_)
    for (const StateShape& state : layer.states) bytes += state.rows * state.columns * size_bytes(DType::f32);
  return bytes;
}

}  // namespace jang::model
