// SPDX-License-Identifier: Apache-2.0
// Pieces already tokenized within one text, and where their ids stand in the output: words repeat, and copying ids beats merging again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jang::text {

class PieceCache {
 public:
  struct Ids {
    std::uint32_t begin, count;  // in the output of the encode that the cache belongs to
  };

  // Null when the piece is not known. The hash is that of Vocabulary.
  [[nodiscard]] const Ids* find(std::string_view piece, std::uint64_t hash) const {
    if (slots_.empty()) return nullptr;
    for (std::size_t at = hash & (slots_.size() - 1); slots_[at].length != 0; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& s = slots_[at];
      if (s.hash == hash && std::string_view(keys_).substr(s.key, s.length) == piece) return &s.ids;
    }
    return nullptr;
  }

  void add(std::string_view piece, std::uint64_t hash, Ids ids) {
    if (piece.size() > kMaxPiece || n_ >= kMaxPieces) return;
    if (2 * (n_ + 1) > slots_.size()) grow();
    std::size_t at = hash & (slots_.size() - 1);
    for (int probes = 0; slots_[at].length != 0; at = (at + 1) & (slots_.size() - 1))
      if (++probes > kMaxProbes) return;
    slots_[at] = {hash, static_cast<std::uint32_t>(keys_.size()), static_cast<std::uint32_t>(piece.size()), ids};
    keys_ += piece;
    ++n_;
  }

 private:
  static constexpr std::size_t kMaxPiece = 256, kMaxPieces = 1 << 16;
  static constexpr int kMaxProbes = 64;  // pieces chosen to collide are just not kept
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t key = 0, length = 0;  // length 0: free
    Ids ids{0, 0};
  };
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 256 : 2 * slots_.size());
    old.swap(slots_);
    for (const Slot& s : old) {
      if (s.length == 0) continue;
      std::size_t at = s.hash & (slots_.size() - 1);
      while (slots_[at].length != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = s;
    }
  }
  std::vector<Slot> slots_;
  std::string keys_;
  std::size_t n_ = 0;
};

}  // namespace jang::text
