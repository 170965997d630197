// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <algorithm>
#include <new>

#include <fmt/format.h>

#include "base/check.h"
#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/models/piece_cache.h"
#include "text/tokenizer/pipeline.h"

namespace jang::text {

// One encode under way.
class Tokenizer::Encoder {
 public:
  // `guard` may be null.
  Encoder(const Tokenizer::Parts& parts, bool parse_special, const AddedTokens::Guard* guard)
      : normalizer_(parts.normalizer),
        model_(*parts.model),
        added_(parts.added),
        parse_special_(parse_special),
        guard_(guard),
        byte_level_(parts.pre_tokenizer.ends_byte_level()),
        run_(parts.pre_tokenizer, [this](std::string_view piece) { return add_pieces(piece); }) {}

  Result<std::vector<std::int32_t>> encode(std::string_view text) {
    std::vector<AddedTokens::Part> parts;
    added_.find(text, false, parse_special_, guard_, parts);
    const std::size_t first_character = text.empty() ? 0 : utf8::length_at(text[0]);
    for (const AddedTokens::Part& part : parts) {
      if (part.id >= 0) {
        ids_.push_back(part.id);
        continue;
      }
      if (part.begin == part.end) continue;
      JANG_TRY(add_raw(text, {part.begin, part.end}, part.begin == 0 ? first_character : 0));
    }
    return std::move(ids_);
  }

 private:
  // Text between added tokens.
  Status add_raw(std::string_view text, const ByteRange& range, std::size_t from_first) {
    const std::string_view raw = text.substr(range.begin, range.end - range.begin);
    const bool guards = guard_ != nullptr && added_.has_normalized();
    AddedTokens::Guard guard{guards ? foreign_within(range) : std::vector<ByteRange>(), guards ? guard_->control : nullptr};
    Segment segment{raw, from_first, from_first > 0};
    Stretch stretch;
    if (!normalizer_.empty()) {
      stretch.text = raw;
      stretch.from_first = from_first;
      for (const ByteRange& r : guard.foreign) stretch.marks.insert(stretch.marks.end(), {r.begin, r.end});
      JANG_TRY(normalizer_.apply(stretch));
      segment = {stretch.text, stretch.from_first, stretch.from_first > 0};
      for (std::size_t i = 0; i < guard.foreign.size(); ++i) guard.foreign[i] = {stretch.marks[2 * i], stretch.marks[2 * i + 1]};
      std::erase_if(guard.foreign, [](const ByteRange& r) { return r.begin >= r.end; });
    }
    std::vector<AddedTokens::Part> parts;
    added_.find(segment.text, true, parse_special_, guards ? &guard : nullptr, parts);
    for (const AddedTokens::Part& part : parts) {
      if (part.id >= 0)
        ids_.push_back(part.id);
      else if (part.begin < part.end)
        JANG_TRY(run_.feed(segment.slice(part.begin, part.end)));
    }
    return {};
  }

  // The foreign ranges inside a range of the text, counted from its begin.
  [[nodiscard]] std::vector<ByteRange> foreign_within(const ByteRange& range) const {
    std::vector<ByteRange> inside;
    const auto& all = guard_->foreign;
    for (auto r = std::partition_point(all.begin(), all.end(), [&](const ByteRange& x) { return x.end <= range.begin; });
         r != all.end() && r->begin < range.end; ++r)
      inside.push_back({std::max(r->begin, range.begin) - range.begin, std::min(r->end, range.end) - range.begin});
    return inside;
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
    if (!byte_level_) return run_model(piece, 0);
    spelled_.clear();
    byte_level::append_encoded(spelled_, piece);
    return run_model(spelled_, 0);
  }

  // Where a guard is set and the model takes plain text for a control token, because the vocabulary has its text as a piece, every such
  // text is cut behind its first character and the parts are tokenized by themselves.
  Status run_model(std::string_view piece, int depth) {
    constexpr int kMaxDepth = 8;
    const std::size_t before = ids_.size();
    JANG_TRY(model_.tokenize(piece, ids_));
    if (guard_ == nullptr) return {};
    std::unordered_set<std::int32_t> forged;
    for (std::size_t i = before; i < ids_.size(); ++i)
      if (guard_->control->contains(ids_[i])) forged.insert(ids_[i]);
    std::vector<std::size_t> cuts;
    for (const std::int32_t id : forged) add_cuts(piece, model_.vocabulary().text(id), cuts);
    if (cuts.empty()) return {};
    if (depth == kMaxDepth) return {StatusCode::unsupported, "the text holds control tokens in a way that cannot be told from plain text"};
    ids_.resize(before);
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    cuts.push_back(piece.size());
    std::size_t begin = 0;
    for (const std::size_t cut : cuts) {
      JANG_TRY(run_model(piece.substr(begin, cut - begin), depth + 1));
      begin = cut;
    }
    return {};
  }

  // Behind the first character of every place where `text` occurs, also in itself. The unknown token, which unknown characters become, does
  // not occur; one of a single character leaves nothing to cut.
  static void add_cuts(std::string_view piece, std::string_view text, std::vector<std::size_t>& cuts) {
    if (text.empty()) return;
    const std::size_t first = utf8::length_at(text[0]);
    if (first >= text.size()) return;
    for (std::size_t at = 0; (at = piece.find(text, at)) != std::string_view::npos; ++at) cuts.push_back(at + first);
  }

  const Normalizer& normalizer_;
  const Model& model_;
  const AddedTokens& added_;
  bool parse_special_;
  const AddedTokens::Guard* guard_;
  bool byte_level_;
  std::vector<std::int32_t> ids_;
  std::string spelled_;
  PieceCache cache_;
  PreTokenizer::Run run_;
};

Tokenizer::Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view utf8) const { return encode(utf8, EncodeOptions()); }

Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view utf8, const EncodeOptions& options) const {
  JANG_ASSIGN(std::vector<std::int32_t> ids, run_encoder(utf8, options.parse_special, nullptr));
  try {
    parts_->post_processor.apply(ids, options.add_special_tokens);
    return ids;
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("no memory for the {} ids of a text", ids.size()));
  }
}

Result<std::vector<std::int32_t>> Tokenizer::encode_guarded(std::string_view utf8, std::vector<ByteRange> foreign,
                                                            std::span<const std::int32_t> control) const {
  std::unordered_set<std::int32_t> guarded = parts_->added.special_ids();
  guarded.insert(control.begin(), control.end());
  const AddedTokens::Guard guard{std::move(foreign), &guarded};
  return run_encoder(utf8, true, &guard);
}

Result<std::vector<std::int32_t>> Tokenizer::run_encoder(std::string_view utf8, bool parse_special, const AddedTokens::Guard* guard) const {
  constexpr std::size_t kMaxBytes = std::size_t{256} << 20;
  if (utf8.size() > kMaxBytes)
    return Status(StatusCode::unsupported, fmt::format("a text of {} bytes; at most {} are encoded at once", utf8.size(), kMaxBytes));
  if (const std::size_t bad = utf8::find_invalid(utf8); bad != std::string_view::npos)
    return Status(StatusCode::corrupt, fmt::format("the text is not UTF-8 at byte {}; convert it", bad));
  try {
    return Encoder(*parts_, parse_special, guard).encode(utf8);
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("no memory to encode a text of {} bytes", utf8.size()));
  }
}

std::vector<std::int32_t> Tokenizer::added_tokens_in(std::string_view text) const { return parts_->added.occurring_in(text); }

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

void Detokenizer::start_behind(std::span<const std::int32_t> prompt) {
  stream_ = DecodeStream(tokenizer_->parts_->decoder);
  prompt_rest_.clear();
  std::string sure;
  for (const std::int32_t id : prompt) sure += push(id);
  const std::string whole = tokenizer_->decode(prompt, skip_special_);
  prompt_rest_ = whole.substr(std::min(sure.size(), whole.size()));
}

std::string Detokenizer::push(std::int32_t id) {
  if (const auto text = tokenizer_->decoder_text(id, skip_special_)) stream_.push(*text);
  return take();
}

// What has come out, less what belongs to the prompt.
std::string Detokenizer::take() {
  std::string text = stream_.take();
  if (prompt_rest_.empty() || text.empty()) return text;
  const auto [rest, end] = std::mismatch(prompt_rest_.begin(), prompt_rest_.end(), text.begin(), text.end());
  std::size_t n = static_cast<std::size_t>(end - text.begin());
  const bool more_to_come = n == text.size();
  while (n > 0 && n < text.size() && utf8::is_continuation(text[n])) --n;
  text.erase(0, n);
  prompt_rest_.erase(0, more_to_come ? n : prompt_rest_.size());
  return text;
}

std::string Detokenizer::flush() {
  stream_.finish();
  std::string rest = take();
  prompt_rest_.clear();
  stream_ = DecodeStream(tokenizer_->parts_->decoder);
  return rest;
}

}  // namespace jang::text
