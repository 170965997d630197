// SPDX-License-Identifier: Apache-2.0
// WordPiece: from left to right the longest piece of the vocabulary, pieces inside a word with a prefix; a word that cannot be cut, or is
// too long, is the unknown token as a whole. WordLevel: the word is a piece or unknown.
#include "text/tokenizer/models/wordpiece.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "json/json.h"
#include "text/tokenizer/models/trie.h"

namespace jang::text {
namespace {

constexpr std::size_t kLongestWordPiece = 4096;  // bounds the search for the longest piece

Status no_unknown(std::string_view unk_token) {
  return {StatusCode::corrupt,
          fmt::format("a word is not in the vocabulary, and neither is the unknown token {}", json::quote(unk_token, 64))};
}

class WordPiece final : public Model {
 public:
  WordPiece(Vocabulary vocabulary, WordPieceOptions options) : Model(std::move(vocabulary)), options_(std::move(options)) {}

  Status prepare() {
    unk_id_ = vocabulary().find(options_.unk_token);
    std::vector<std::pair<std::string_view, std::int32_t>> pieces;
    for (std::int32_t id = 0; id < vocabulary().size(); ++id)
      if (const std::string_view text = vocabulary().text(id); !text.empty() && text.size() <= kLongestWordPiece)
        pieces.emplace_back(text, id);
    std::optional<Trie> trie = Trie::build(std::move(pieces));
    if (!trie) return {StatusCode::unsupported, fmt::format("the pieces have more than {} bytes together", Trie::kMaxBytes)};
    trie_ = std::move(*trie);
    inside_ = trie_.walk(options_.continuing_subword_prefix);
    return {};
  }

  Status tokenize(std::string_view piece, std::vector<std::int32_t>& ids) const override {
    const std::size_t before = ids.size();
    bool fits = utf8::count(piece) <= options_.max_input_chars_per_word;
    for (std::size_t at = 0; fits && at < piece.size();) {
      std::uint32_t node = at == 0 ? Trie::kRoot : inside_;
      std::size_t end = at;
      std::int32_t id = -1;
      for (std::size_t i = at; i < piece.size() && node != Trie::kNone && (node = trie_.child(node, piece[i])) != Trie::kNone; ++i) {
        if (trie_.value(node) < 0) continue;
        id = trie_.value(node);
        end = i + 1;
      }
      fits = id >= 0;
      if (fits) ids.push_back(id);
      at = end;
    }
    if (fits) return {};
    ids.resize(before);
    if (!unk_id_) return no_unknown(options_.unk_token);
    ids.push_back(*unk_id_);
    return {};
  }

 private:
  WordPieceOptions options_;
  std::optional<std::int32_t> unk_id_;
  Trie trie_;
  std::uint32_t inside_ = Trie::kNone;  // where pieces inside a word start
};

class WordLevel final : public Model {
 public:
  WordLevel(Vocabulary vocabulary, std::string unk_token) : Model(std::move(vocabulary)), unk_token_(std::move(unk_token)) {
    unk_id_ = this->vocabulary().find(unk_token_);
  }

  Status tokenize(std::string_view piece, std::vector<std::int32_t>& ids) const override {
    const std::optional<std::int32_t> id = vocabulary().find(piece);
    if (!id && !unk_id_) return no_unknown(unk_token_);
    ids.push_back(id ? *id : *unk_id_);
    return {};
  }
  [[nodiscard]] bool is_costly() const override { return false; }

 private:
  std::string unk_token_;
  std::optional<std::int32_t> unk_id_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_wordpiece(Vocabulary vocabulary, const WordPieceOptions& options) {
  auto model = std::make_unique<WordPiece>(std::move(vocabulary), options);
  JANG_TRY(model->prepare());
  return std::unique_ptr<Model>(std::move(model));
}

Result<std::unique_ptr<Model>> make_wordlevel(Vocabulary vocabulary, std::string unk_token) {
  return std::unique_ptr<Model>(std::make_unique<WordLevel>(std::move(vocabulary), std::move(unk_token)));
}

}  // namespace jang::text
