// SPDX-License-Identifier: Apache-2.0
// One sequence: where its keys and values lie (pages of a pool, shared with other sequences where they have a prefix in common) and the
// states of its recurrent layers. Not thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "jang/status.h"
#include "model/cache_pool.h"
#include "model/workspace.h"

namespace jang::model {

// The states of a recurrent layer, in the order and of the shapes of its LayerCache.
struct RecurrentState {
  std::vector<Array> arrays;  // none before the first token
  std::int64_t position = 0;  // tokens taken in
};

class Sequence {
 public:
  explicit Sequence(std::shared_ptr<CachePool> pool);
  ~Sequence();
  Sequence(Sequence&&) noexcept = default;
  Sequence& operator=(Sequence&& other) noexcept;

  // Positions in the caches: the next token is at this position.
  [[nodiscard]] std::int64_t length() const { return length_; }
  // After every layer that will be run has stored n more positions.
  void advance(std::int64_t n);
  // Forgets everything from position `length` on. False, and nothing changes, when length is negative or beyond length(), or when a
  // recurrent layer has already taken in later positions (its state cannot go back; only 0 is possible then).
  [[nodiscard]] bool truncate(std::int64_t length);
  // A copy that continues on its own; full pages of the common prefix are shared. A copy that finds no memory has length 0.
  [[nodiscard]] Sequence clone() const;
  // Bytes of the caches in use; shared pages count here too.
  [[nodiscard]] std::int64_t bytes() const;

  // --- for the decoder

  [[nodiscard]] CachePool& pool() const { return *pool_; }
  // Pages for n more positions, none of those to be written shared with another sequence. Errors: out_of_memory; nothing changes then.
  [[nodiscard]] Status reserve(std::int64_t n);
  [[nodiscard]] std::span<const std::int32_t> pages() const { return pages_; }
  // The states of a recurrent layer, zeros before the first token. Null when there is no memory.
  [[nodiscard]] RecurrentState* recurrent(int layer);

 private:
  void release_pages(std::size_t keep);

  std::shared_ptr<CachePool> pool_;  // null after a move
  std::int64_t length_ = 0;
  std::vector<std::int32_t> pages_;
  std::vector<RecurrentState> recurrent_;  // by layer
};

}  // namespace jang::model
