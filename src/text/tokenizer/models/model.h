// SPDX-License-Identifier: Apache-2.0
// The models of tokenizer.json: a piece of pre-tokenized text to ids. Pieces are valid UTF-8 and not empty. Const use is thread safe.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "jang/status.h"
#include "text/tokenizer/models/vocabulary.h"

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

}  // namespace jang::text
