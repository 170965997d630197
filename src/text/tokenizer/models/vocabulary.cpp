// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer/models/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "json/json.h"

namespace jang::text {
namespace {

constexpr std::size_t kMaxProbes = 256;  // a load of one half needs a few dozen; more means texts chosen to collide

}  // namespace

Vocabulary::Slot Vocabulary::make_slot(std::string_view text, std::uint64_t hash, std::int32_t id) {
  Slot slot;
  if (!text.empty()) std::memcpy(&slot.head, text.data(), std::min(text.size(), sizeof(slot.head)));
  slot.tag =
      static_cast<std::uint32_t>(hash >> 32 & ~std::uint64_t{0xff}) | static_cast<std::uint32_t>(std::min<std::size_t>(text.size(), 255));
  slot.id = id;
  return slot;
}

std::uint64_t Vocabulary::hash(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

void Vocabulary::reserve(std::size_t n, std::size_t bytes) {
  arena_.reserve(bytes);
  by_id_.reserve(n);
  grow(std::bit_ceil(2 * n + 2));
}

void Vocabulary::grow(std::size_t capacity) {
  if (capacity <= slots_.size()) return;
  slots_.assign(capacity, Slot());
  mask_ = capacity - 1;
  for (std::size_t id = 0; id < by_id_.size(); ++id) {
    if (by_id_[id].length_plus_one == 0) continue;
    const std::string_view text = entry_text(by_id_[id]);
    const std::uint64_t h = hash(text);
    std::uint64_t at = h & mask_;
    while (slots_[at].id >= 0) at = (at + 1) & mask_;
    slots_[at] = make_slot(text, h, static_cast<std::int32_t>(id));
  }
}

Status Vocabulary::add(std::string_view text, std::int64_t id) {
  const auto bad = [&](std::string_view why) {
    return Status(StatusCode::corrupt, fmt::format("piece {} with id {}: {}", json::quote(text, 64), id, why));
  };
  if (id < 0 || id > kMaxId) return bad(fmt::format("ids go from 0 to {}", kMaxId));
  if (text.size() > kMaxPieceBytes || arena_.size() + text.size() > std::numeric_limits<std::uint32_t>::max()) return bad("too long");
  if (2 * (count_ + 1) > slots_.size()) grow(std::bit_ceil(4 * (count_ + 1)));
  const auto index = static_cast<std::size_t>(id);
  if (index >= by_id_.size()) by_id_.resize(index + 1);
  if (by_id_[index].length_plus_one != 0) return bad(fmt::format("{} has the same id", json::quote(entry_text(by_id_[index]), 64)));
  const std::uint64_t h = hash(text);
  const Slot slot = make_slot(text, h, static_cast<std::int32_t>(id));
  std::uint64_t at = h & mask_;
  for (std::size_t probes = 0; slots_[at].id >= 0; at = (at + 1) & mask_) {
    if (is(slots_[at], slot, text)) return bad("occurs twice");
    if (++probes > kMaxProbes) return bad("too many pieces with colliding hashes");
  }
  slots_[at] = slot;
  by_id_[index] = {static_cast<std::uint32_t>(arena_.size()), static_cast<std::uint32_t>(text.size() + 1)};
  arena_.insert(arena_.end(), text.begin(), text.end());
  ++count_;
  return {};
}

void Vocabulary::prefetch_text(std::uint64_t hash, std::size_t length) const {
  const Slot& slot = slots_[hash & mask_];
  if (slot.id >= 0 && length > sizeof(slot.head)) __builtin_prefetch(&by_id_[static_cast<std::size_t>(slot.id)]);
}

std::optional<std::int32_t> Vocabulary::find_hashed(std::string_view text, std::uint64_t hash) const {
  const Slot wanted = make_slot(text, hash, 0);
  for (std::uint64_t at = hash & mask_; slots_[at].id >= 0; at = (at + 1) & mask_)
    if (is(slots_[at], wanted, text)) return slots_[at].id;
  return std::nullopt;
}

bool Vocabulary::has(std::int32_t id) const { return id >= 0 && id < size() && by_id_[static_cast<std::size_t>(id)].length_plus_one != 0; }

std::string_view Vocabulary::text(std::int32_t id) const {
  return has(id) ? entry_text(by_id_[static_cast<std::size_t>(id)]) : std::string_view();
}

}  // namespace jang::text
