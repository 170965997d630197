// SPDX-License-Identifier: Apache-2.0
// Byte pair encoding (Sennrich et al. 2016, arXiv:1508.07909) with the options of tokenizer.json.
//
// A piece starts as one symbol a character; the adjacent pair of lowest rank, leftmost first, is merged until no pair has a rank. Short
// pieces rescan the symbols, long ones keep the pairs in a heap over a linked list: O(n log n).
//
// Without a pre-tokenizer the whole text is one piece. It is cut where no merge can reach across: between two characters that stand side by
// side in no piece of the vocabulary.
#include "text/tokenizer/models/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <queue>

#include <fmt/format.h>

#include "base/utf8.h"
#include "json/json.h"

namespace jang::text {
namespace {

struct Merge {
  std::uint32_t rank;
  std::int32_t id;
};

// (left id, right id) to merge: open addressing, linear probing. Ids are below 2^22, so a key is never kFree.
class MergeTable {
 public:
  void reserve(std::size_t n) {
    slots_.assign(std::bit_ceil(2 * n + 2), Slot{});
    shift_ = 64 - std::countr_zero(slots_.size());
  }
  // The last of equal pairs counts. False: too many probes, pairs chosen to collide.
  bool set(std::int32_t left, std::int32_t right, Merge merge) {
    const std::uint64_t key = key_of(left, right);
    std::size_t at = home(key);
    for (int probes = 0; slots_[at].key != kFree && slots_[at].key != key; at = (at + 1) & (slots_.size() - 1))
      if (++probes > 256) return false;
    slots_[at] = {key, merge};
    return true;
  }
  [[nodiscard]] const Merge* find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t at = home(key); slots_[at].key != kFree; at = (at + 1) & (slots_.size() - 1))
      if (slots_[at].key == key) return &slots_[at].merge;
    return nullptr;
  }
  void prefetch(std::int32_t left, std::int32_t right) const { __builtin_prefetch(&slots_[home(key_of(left, right))]); }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kFree;
    Merge merge{0, 0};
  };
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }
  // Fibonacci hashing of a mixed key: both ids reach the top bits.
  [[nodiscard]] std::size_t home(std::uint64_t key) const {
    key ^= key >> 29;
    return static_cast<std::size_t>(key * 0x9e3779b97f4a7c15u >> shift_);
  }
  std::vector<Slot> slots_ = std::vector<Slot>(2);
  int shift_ = 63;
};

// Pairs of neighbouring characters in the pieces of a vocabulary. May answer yes wrongly, never no.
class Neighbours {
 public:
  void add(std::string_view text) {
    if (text.size() < 2) return;
    std::size_t at = 0;
    for (char32_t left = utf8::next(text, at); at < text.size();) {
      const char32_t right = utf8::next(text, at);
      const std::size_t bit = bit_of(left, right);
      bits_[bit / 64] |= std::uint64_t{1} << bit % 64;
      left = right;
    }
  }
  [[nodiscard]] bool has(char32_t left, char32_t right) const {
    const std::size_t bit = bit_of(left, right);
    return (bits_[bit / 64] >> bit % 64 & 1u) != 0;
  }

 private:
  static constexpr int kLogBits = 22;
  static std::size_t bit_of(char32_t left, char32_t right) {
    return static_cast<std::size_t>((std::uint64_t{left} << 21 | right) * 0x9e3779b97f4a7c15u >> (64 - kLogBits));
  }
  std::vector<std::uint64_t> bits_ = std::vector<std::uint64_t>((std::size_t{1} << kLogBits) / 64);
};

class Bpe final : public Model {
 public:
  Bpe(Vocabulary vocabulary, BpeOptions options) : Model(std::move(vocabulary)), options_(std::move(options)) {}

  Status prepare(const MergeList& merges);
  Status tokenize(std::string_view piece, std::vector<std::int32_t>& ids) const override;
  [[nodiscard]] std::size_t next_cut(std::string_view piece, std::size_t from) const override;

 private:
  Status add_merges(const MergeList& merges, std::size_t begin, std::size_t end);
  Status split(std::string_view piece, std::vector<std::int32_t>& symbols) const;
  [[nodiscard]] std::optional<std::int32_t> character_id(std::string_view piece, std::size_t begin, std::size_t end,
                                                         std::string& scratch) const;
  [[nodiscard]] bool append_bytes(std::string_view text, std::vector<std::int32_t>& symbols) const;
  void merge_short(std::vector<std::int32_t>& ids, std::size_t begin) const;
  void merge_long(std::vector<std::int32_t>& ids, std::size_t begin) const;

  BpeOptions options_;
  MergeTable merges_;
  std::vector<std::int32_t> bytes_;
  std::vector<std::int32_t> by_code_point_;  // ids of the characters below kDirect, -1 where there is none
  std::optional<std::int32_t> unk_;
  mutable std::once_flag neighbours_made_;
  mutable std::unique_ptr<const Neighbours> neighbours_;  // made for the first long piece

  static constexpr char32_t kDirect = 0x2600;  // U+2581, the space of SentencePiece, is below
  static constexpr std::size_t kShort = 40;    // symbols
  static constexpr std::size_t kMergeBlock = 32;
};

Status Bpe::prepare(const MergeList& merges) {
  if (options_.unk_token) unk_ = vocabulary().find(*options_.unk_token);
  if (options_.byte_fallback) bytes_ = byte_pieces();
  by_code_point_.assign(kDirect, -1);
  for (char32_t c = 0; c < kDirect; ++c) {
    std::string text;
    utf8::append(text, c);
    by_code_point_[c] = vocabulary().find(text).value_or(-1);
  }
  merges_.reserve(merges.size());
  for (std::size_t at = 0; at < merges.size(); at += kMergeBlock)
    JANG_TRY(add_merges(merges, at, std::min(at + kMergeBlock, merges.size())));
  return {};
}

// Every lookup misses the cache, so a block of merges goes through in steps, each fetching what the next one needs.
Status Bpe::add_merges(const MergeList& merges, std::size_t begin, std::size_t end) {
  const std::size_t prefix = options_.continuing_subword_prefix ? options_.continuing_subword_prefix->size() : 0;
  struct Lookup {
    std::string_view text;
    std::uint64_t hash;
  };
  std::array<Lookup, 3 * kMergeBlock> lookups;  // left, right, joined
  std::array<std::optional<std::int32_t>, 3 * kMergeBlock> ids;
  std::string joined;
  std::size_t n_bytes = 0;
  for (std::size_t i = begin; i < end; ++i) n_bytes += merges[i].first.size() + merges[i].second.size();
  joined.reserve(n_bytes);  // views into it stay valid
  std::size_t n = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const auto& [left, right] = merges[i];
    const std::size_t at = joined.size();
    joined += left;
    joined += right.substr(std::min(prefix, right.size()));
    for (const std::string_view text : {left, right, std::string_view(joined).substr(at)}) {
      lookups[n] = {text, Vocabulary::hash(text)};
      vocabulary().prefetch(lookups[n++].hash);
    }
  }
  for (std::size_t i = 0; i < n; ++i) vocabulary().prefetch_text(lookups[i].hash, lookups[i].text.size());
  for (std::size_t i = 0; i < n; ++i) ids[i] = vocabulary().find_hashed(lookups[i].text, lookups[i].hash);
  for (std::size_t i = 0; i < n; i += 3)
    if (ids[i] && ids[i + 1]) merges_.prefetch(*ids[i], *ids[i + 1]);
  for (std::size_t i = begin; i < end; ++i) {
    const auto* id = &ids[3 * (i - begin)];
    if (!id[0] || !id[1] || !id[2])
      return {StatusCode::corrupt, fmt::format("merge {} ({} with {}): the vocabulary lacks {}", i, json::quote(merges[i].first, 64),
                                               json::quote(merges[i].second, 64),
                                               !id[0]   ? "the left piece"
                                               : !id[1] ? "the right piece"
                                                        : "their join")};
    if (!merges_.set(*id[0], *id[1], {static_cast<std::uint32_t>(i), *id[2]}))
      return {StatusCode::corrupt, fmt::format("merge {}: too many merges with colliding hashes", i)};
  }
  return {};
}

std::optional<std::int32_t> Bpe::character_id(std::string_view piece, std::size_t begin, std::size_t end, std::string& scratch) const {
  std::string_view character = piece.substr(begin, end - begin);
  const bool prefixed = begin > 0 && options_.continuing_subword_prefix;
  const bool suffixed = end == piece.size() && options_.end_of_word_suffix;
  scratch.clear();
  if (prefixed) scratch += *options_.continuing_subword_prefix;
  scratch += character;
  if (suffixed) scratch += *options_.end_of_word_suffix;
  if (!prefixed && !suffixed && character.size() <= 3) {
    std::size_t at = 0;
    if (const char32_t c = utf8::next(character, at); c < kDirect) {
      const std::int32_t id = by_code_point_[c];
      return id < 0 ? std::nullopt : std::optional(id);
    }
  }
  return vocabulary().find(scratch);
}

bool Bpe::append_bytes(std::string_view text, std::vector<std::int32_t>& symbols) const {
  for (const char c : text)
    if (bytes_[static_cast<unsigned char>(c)] < 0) return false;
  for (const char c : text) symbols.push_back(bytes_[static_cast<unsigned char>(c)]);
  return true;
}

// One symbol a character. A pending unknown token is written before the next known one, but not before byte pieces: as the library does.
Status Bpe::split(std::string_view piece, std::vector<std::int32_t>& symbols) const {
  std::string scratch;
  bool pending = false;
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t end = at + utf8::length_at(piece[at]);
    const auto id = character_id(piece, at, end, scratch);
    at = end;
    if (id) {
      if (pending) symbols.push_back(*unk_);
      pending = false;
      symbols.push_back(*id);
      continue;
    }
    if (options_.byte_fallback && append_bytes(scratch, symbols)) continue;
    if (!options_.unk_token) continue;
    if (!unk_)
      return {StatusCode::corrupt, fmt::format("the unknown token {} is not in the vocabulary", json::quote(*options_.unk_token, 64))};
    if (pending && !options_.fuse_unk) symbols.push_back(*unk_);
    pending = true;
  }
  if (pending) symbols.push_back(*unk_);
  return {};
}

void Bpe::merge_short(std::vector<std::int32_t>& ids, std::size_t begin) const {
  constexpr std::uint32_t kNoRank = UINT32_MAX;
  std::array<Merge, kShort> pairs;  // pairs[i]: symbols i and i + 1
  pairs.fill({kNoRank, 0});
  std::int32_t* symbols = ids.data() + begin;
  std::size_t n = ids.size() - begin;
  const auto look_up = [&](std::size_t i) {
    const Merge* m = merges_.find(symbols[i], symbols[i + 1]);
    pairs[i] = m ? *m : Merge{kNoRank, 0};
  };
  for (std::size_t i = 0; i + 1 < n; ++i) look_up(i);
  for (;;) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i)
      if (pairs[i].rank < pairs[best].rank) best = i;
    if (n < 2 || pairs[best].rank == kNoRank) break;
    symbols[best] = pairs[best].id;
    --n;
    for (std::size_t i = best + 1; i < n; ++i) {
      symbols[i] = symbols[i + 1];
      pairs[i] = pairs[i + 1];
    }
    if (best + 1 < n) look_up(best);
    if (best > 0) look_up(best - 1);
    if (best + 1 >= n) pairs[best] = {kNoRank, 0};
  }
  ids.resize(begin + n);
}

void Bpe::merge_long(std::vector<std::int32_t>& ids, std::size_t begin) const {
  struct Symbol {
    std::int32_t id;  // -1: merged into an earlier one
    std::int32_t previous, next;
  };
  struct Candidate {
    std::uint32_t rank;
    std::int32_t at, id;
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
  };
  const auto n = static_cast<std::int32_t>(ids.size() - begin);
  std::vector<Symbol> symbols;
  symbols.reserve(static_cast<std::size_t>(n));
  for (std::int32_t i = 0; i < n; ++i) symbols.push_back({ids[begin + static_cast<std::size_t>(i)], i - 1, i + 1 < n ? i + 1 : -1});
  const auto symbol = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  std::vector<Candidate> found;
  const auto candidate = [&](std::int32_t left) {
    if (left < 0 || symbol(left).next < 0) return std::optional<Candidate>();
    const Merge* m = merges_.find(symbol(left).id, symbol(symbol(left).next).id);
    return m ? std::optional(Candidate{m->rank, left, m->id}) : std::nullopt;
  };
  for (std::int32_t i = 0; i + 1 < n; ++i)
    if (const auto c = candidate(i)) found.push_back(*c);
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(found));
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    if (symbol(top.at).id < 0) continue;
    const auto now = candidate(top.at);  // the entry is stale when either symbol has changed since
    if (!now || now->id != top.id) continue;
    Symbol& left = symbol(top.at);
    Symbol& right = symbol(left.next);
    left.id = top.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbol(left.next).previous = top.at;
    for (const std::int32_t at : {left.previous, top.at})
      if (const auto c = candidate(at)) queue.push(*c);
  }
  ids.resize(begin);
  for (std::int32_t i = 0; i >= 0 && i < n; i = symbol(i).next) ids.push_back(symbol(i).id);
}

Status Bpe::tokenize(std::string_view piece, std::vector<std::int32_t>& ids) const {
  if (options_.ignore_merges) {
    if (const auto id = vocabulary().find(piece)) {
      ids.push_back(*id);
      return {};
    }
  }
  const std::size_t begin = ids.size();
  JANG_TRY(split(piece, ids));
  if (ids.size() - begin <= 1) return {};
  if (ids.size() - begin <= kShort)
    merge_short(ids, begin);
  else
    merge_long(ids, begin);
  return {};
}

// A cut needs known characters on both sides: unknown ones may fuse across it. Affixes depend on where a piece ends.
std::size_t Bpe::next_cut(std::string_view piece, std::size_t from) const {
  constexpr std::size_t kLong = 64;
  if (piece.size() - from <= kLong || options_.continuing_subword_prefix || options_.end_of_word_suffix) return piece.size();
  std::call_once(neighbours_made_, [this] {
    auto made = std::make_unique<Neighbours>();
    for (std::int32_t id = 0; id < vocabulary().size(); ++id) made->add(vocabulary().text(id));
    neighbours_ = std::move(made);
  });
  const auto is_known = [this](char32_t c) { return c < kDirect && by_code_point_[c] >= 0; };
  std::size_t at = from;
  for (char32_t left = utf8::next(piece, at); at < piece.size();) {
    const std::size_t cut = at;
    const char32_t right = utf8::next(piece, at);
    if (is_known(left) && is_known(right) && !neighbours_->has(left, right)) return cut;
    left = right;
  }
  return piece.size();
}

}  // namespace

Result<std::unique_ptr<Model>> make_bpe(Vocabulary vocabulary, const MergeList& merges, const BpeOptions& options) {
  auto bpe = std::make_unique<Bpe>(std::move(vocabulary), options);
  JANG_TRY(bpe->prepare(merges));
  return std::unique_ptr<Model>(std::move(bpe));
}

}  // namespace jang::text
