// SPDX-License-Identifier: Apache-2.0
// The models of tokenizer.json: a piece of pre-tokenized text to ids. Pieces are valid UTF-8 and not empty. Const use is thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jang/status.h"
#include "text/vocabulary.h"

namespace jang::text {

class Model {
 public:
  explicit Model(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // Appends the ids of `piece`. Errors: corrupt (a character outside the vocabulary and no unknown token).
  virtual Status tokenize(std::string_view piece, std::vector<std::int32_t>& ids) const = 0;
  // Where a piece may be cut behind `from` without changing its ids; piece.size() when nowhere. Long pieces are worth cutting.
  [[nodiscard]] virtual std::size_t next_cut(std::string_view piece, std::size_t from) const {
    return from < piece.size() ? piece.size() : from;
  }
  // Whether equal pieces are worth remembering within a text.
  [[nodiscard]] virtual bool is_costly() const { return true; }

  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }

 protected:
  // Ids of "<0x00>" to "<0xFF>" where they exist, else -1.
  [[nodiscard]] std::vector<std::int32_t> byte_pieces() const;

 private:
  Vocabulary vocabulary_;
};

struct BpeOptions {
  std::optional<std::string> unk_token, continuing_subword_prefix, end_of_word_suffix;
  bool fuse_unk = false, byte_fallback = false, ignore_merges = false;
};
using MergeList = std::vector<std::pair<std::string_view, std::string_view>>;  // by rank
// Errors: corrupt (a merge of pieces outside the vocabulary, an unknown token outside it).
[[nodiscard]] Result<std::unique_ptr<Model>> make_bpe(Vocabulary vocabulary, const MergeList& merges, const BpeOptions& options);

// scores[id] is the log probability of the piece.
[[nodiscard]] Result<std::unique_ptr<Model>> make_unigram(Vocabulary vocabulary, std::vector<double> scores,
                                                          std::optional<std::int32_t> unk_id, bool byte_fallback);

struct WordPieceOptions {
  std::string unk_token = "[UNK]", continuing_subword_prefix = "##";
  std::uint64_t max_input_chars_per_word = 100;
};
[[nodiscard]] Result<std::unique_ptr<Model>> make_wordpiece(Vocabulary vocabulary, const WordPieceOptions& options);

[[nodiscard]] Result<std::unique_ptr<Model>> make_wordlevel(Vocabulary vocabulary, std::string unk_token);

}  // namespace jang::text
