// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <algorithm>
#include <new>

#include <fmt/format.h>

#include "base/check.h"
#include "text/byte_level.h"
#include "text/piece_cache.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

namespace jang::text {
namespace {

// One encode under way.
class Encoder {
 public:
  Encoder(const Normalizer& normalizer, const PreTokenizer& pre_tokenizer, const Model& model, const AddedTokens& added, bool parse_special)
      : normalizer_(normalizer),
        model_(model),
        added_(added),
        parse_special_(parse_special),
        byte_level_(pre_tokenizer.ends_byte_level()),
        run_(pre_tokenizer, [this](std::string_view piece) { return add_pieces(piece); }) {}

  Result<std::vector<std::int32_t>> encode(std::string_view text) {
    std::vector<AddedTokens::Part> parts;
    added_.find(text, false, parse_special_, parts);
    const std::size_t first_character = text.empty() ? 0 : unicode::length_at(text[0]);
    for (const AddedTokens::Part& part : parts) {
      if (part.id >= 0) {
        ids_.push_back(part.id);
        continue;
      }
      if (part.begin == part.end) continue;
      JANG_TRY(add_raw(text.substr(part.begin, part.end - part.begin), part.begin == 0 ? first_character : 0));
    }
    return std::move(ids_);
  }

 private:
  // Text between added tokens.
  Status add_raw(std::string_view raw, std::size_t from_first) {
    Segment segment{raw, from_first, from_first > 0};
    Stretch stretch;
    if (!normalizer_.empty()) {
      stretch.text = raw;
      stretch.from_first = from_first;
      JANG_TRY(normalizer_.apply(stretch));
      segment = {stretch.text, stretch.from_first, stretch.from_first > 0};
    }
    std::vector<AddedTokens::Part> parts;
    added_.find(segment.text, true, parse_special_, parts);
    for (const AddedTokens::Part& part : parts) {
      if (part.id >= 0)
        ids_.push_back(part.id);
      else if (part.begin < part.end)
        JANG_TRY(run_.feed(segment.slice(part.begin, part.end)));
    }
    return {};
  }

  Status add_pieces(std::string_view piece) {
    if (byte_level_) return add_piece(piece);
    for (std::size_t begin = 0; begin < piece.size();) {
      const std::size_t end = model_.next_cut(piece, begin);
      JANG_TRY(add_piece(piece.substr(begin, end - begin)));
      begin = end;
    }
    return {};
  }

  Status add_piece(std::string_view piece) {
    if (!model_.is_costly()) return tokenize(piece);
    const std::uint64_t hash = Vocabulary::hash(piece);
    if (const PieceCache::Ids* known = cache_.find(piece, hash)) {
      const PieceCache::Ids at = *known;
      ids_.resize(ids_.size() + at.count);
      std::copy_n(ids_.begin() + at.begin, at.count, ids_.end() - at.count);
      return {};
    }
    const std::size_t before = ids_.size();
    JANG_TRY(tokenize(piece));
    cache_.add(piece, hash, {static_cast<std::uint32_t>(before), static_cast<std::uint32_t>(ids_.size() - before)});
    return {};
  }

  Status tokenize(std::string_view piece) {
    if (!byte_level_) return model_.tokenize(piece, ids_);
    spelled_.clear();
    byte_level::append_encoded(spelled_, piece);
    return model_.tokenize(spelled_, ids_);
  }

  const Normalizer& normalizer_;
  const Model& model_;
  const AddedTokens& added_;
  bool parse_special_, byte_level_;
  std::vector<std::int32_t> ids_;
  std::string spelled_;
  PieceCache cache_;
  PreTokenizer::Run run_;
};

}  // namespace

Tokenizer::Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view utf8) const { return encode(utf8, EncodeOptions()); }

Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view utf8, const EncodeOptions& options) const {
  constexpr std::size_t kMaxBytes = std::size_t{256} << 20;
  if (utf8.size() > kMaxBytes)
    return Status(StatusCode::unsupported, fmt::format("a text of {} bytes; at most {} are encoded at once", utf8.size(), kMaxBytes));
  if (const std::size_t bad = unicode::first_invalid(utf8); bad != utf8.size())
    return Status(StatusCode::corrupt, fmt::format("the text is not UTF-8 at byte {}; convert it", bad));
  const Parts& p = *parts_;
  try {
    Encoder encoder(p.normalizer, p.pre_tokenizer, *p.model, p.added, options.parse_special);
    JANG_ASSIGN(std::vector<std::int32_t> ids, encoder.encode(utf8));
    p.post_processor.apply(ids, options.add_special_tokens);
    return ids;
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("no memory to encode a text of {} bytes", utf8.size()));
  }
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  DecodeStream stream(parts_->decoder);
  for (const std::int32_t id : ids)
    if (const auto text = decoder_text(id, skip_special)) stream.push(*text);
  stream.finish();
  return stream.take();
}

std::int32_t Tokenizer::vocab_size() const { return std::max(parts_->model->vocabulary().size(), parts_->added.size()); }

std::optional<std::int32_t> Tokenizer::token_id(std::string_view token) const {
  const std::optional<std::int32_t> added = parts_->added.id_of(token);
  return added ? added : parts_->model->vocabulary().find(token);
}

std::string_view Tokenizer::token_text(std::int32_t id) const {
  const AddedToken* added = parts_->added.at(id);
  return added != nullptr ? std::string_view(added->content) : parts_->model->vocabulary().text(id);
}

bool Tokenizer::is_special(std::int32_t id) const { return parts_->added.is_special(id); }

std::optional<std::string_view> Tokenizer::decoder_text(std::int32_t id, bool skip_special) const {
  if (parts_->added.at(id) != nullptr) {
    if (skip_special && is_special(id)) return std::nullopt;
    return parts_->added.decoded_text(id);
  }
  const Vocabulary& vocabulary = parts_->model->vocabulary();
  return vocabulary.has(id) ? std::optional(vocabulary.text(id)) : std::nullopt;
}

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer), skip_special_(skip_special), stream_(tokenizer.parts_->decoder) {}

std::string Detokenizer::push(std::int32_t id) {
  if (const auto text = tokenizer_->decoder_text(id, skip_special_)) stream_.push(*text);
  return stream_.take();
}

std::string Detokenizer::flush() {
  stream_.finish();
  std::string rest = stream_.take();
  stream_ = DecodeStream(tokenizer_->parts_->decoder);
  return rest;
}

}  // namespace jang::text
