// SPDX-License-Identifier: Apache-2.0
// The memory of all sequences' keys and values: pages of 64 positions (kernels/kv_cache.h), taken from slabs that grow up to a byte budget,
// shared by counting. Not thread safe. The device outlives it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "arch/decoder_config.h"
#include "jang/status.h"
#include "kernels/device.h"
#include "model/layer_cache.h"

namespace jang::model {

class CachePool {
 public:
  // `byte_budget`: of pages; 0: as much as there is memory.
  CachePool(kernels::Device& device, const arch::DecoderConfig& config, kernels::KvType type, std::int64_t byte_budget = 0);

  // A page of its own for one holder. Errors: out_of_memory, with the numbers; nothing changes then.
  [[nodiscard]] Result<std::int32_t> take();
  void share(std::int32_t page) { ++holders_[static_cast<std::size_t>(page)]; }
  void release(std::int32_t page);
  [[nodiscard]] bool is_shared(std::int32_t page) const { return holders_[static_cast<std::size_t>(page)] > 1; }
  // Copies one page's contents over another's.
  void copy(std::int32_t from, std::int32_t to);

  [[nodiscard]] const kernels::PageStore& store() const { return store_; }
  // What a layer keeps: its part of every page, and the shapes of its states.
  [[nodiscard]] const LayerCache& layer(int l) const { return layers_[static_cast<std::size_t>(l)]; }
  [[nodiscard]] std::size_t n_layers() const { return layers_.size(); }
  [[nodiscard]] kernels::Device& device() const { return device_; }
  [[nodiscard]] std::int64_t pages_in_use() const { return static_cast<std::int64_t>(holders_.size() - free_.size()); }
  [[nodiscard]] std::int64_t page_bytes() const { return store_.page_bytes; }
  // Pages and states of a sequence of `length` tokens.
  [[nodiscard]] std::int64_t sequence_bytes(std::int64_t length) const;

 private:
  [[nodiscard]] Status grow();
  [[nodiscard]] kernels::Tensor page(std::int32_t page) const;

  kernels::Device& device_;
  std::int64_t byte_budget_;
  std::vector<LayerCache> layers_;
  kernels::PageStore store_;
  std::vector<std::unique_ptr<kernels::Buffer>> slabs_;
  std::vector<std::int32_t> holders_;  // by page
  std::vector<std::int32_t> free_;     // pages nobody holds, the next one last
};

}  // namespace jang::model
