// SPDX-License-Identifier: Apache-2.0
// The "added_tokens" of tokenizer.json: texts that become one token wherever they stand, outside the model. Those with `normalized` are
// matched in normalized text, by their own normalized spelling; the others in the raw text, before anything else happens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "jang/status.h"
#include "text/tokenizer/models/trie.h"
#include "text/tokenizer/models/vocabulary.h"
#include "text/tokenizer/normalizer.h"

namespace jang::text {

struct AddedToken {
  std::string content;
  bool single_word = false;             // not inside a word
  bool lstrip = false, rstrip = false;  // takes the white space before, behind it along
  bool normalized = true, special = false;
  bool operator==(const AddedToken&) const = default;
};

// Bytes begin .. end - 1 of a text.
struct ByteRange {
  std::size_t begin, end;
};

class AddedTokens {
 public:
  // A token found, or the text between two.
  struct Part {
    std::size_t begin, end;
    std::int32_t id;  // -1: text
  };

  // Ids are given as the library gives them: that of the model's piece with the same text, else the next free one in order; the ids written
  // in the file have no say. Errors: corrupt (two tokens are the same when normalized, one is empty when normalized), those of the
  // normalizer.
  static Result<AddedTokens> make(std::vector<AddedToken> tokens, const Vocabulary& vocabulary, const Normalizer& normalizer);

  // Where control tokens are plain text. A match of one is refused when its first or its last byte is foreign; around whole foreign ranges
  // it is the template's ('<|' + role + '|>').
  struct Guard {
    std::vector<ByteRange> foreign;  // of the text that is searched: sorted, disjoint, not empty
    const std::unordered_set<std::int32_t>* control;
  };

  // Cuts a text at the tokens with this `normalized`. Leftmost, then longest; a match refused by single_word, or special while
  // !with_special, is passed over whole. rstrip lets parts overlap, as in the library. `guard` may be null; behind a match that it refuses
  // the search goes on at the next character, so that nothing foreign hides a token of the template.
  void find(std::string_view text, bool normalized, bool with_special, const Guard* guard, std::vector<Part>& parts) const;

  // Ids of the special tokens.
  [[nodiscard]] std::unordered_set<std::int32_t> special_ids() const;
  // Ids of the tokens that are not special, have more than white space, and occur in `text`.
  [[nodiscard]] std::vector<std::int32_t> occurring_in(std::string_view text) const;
  // Whether a control token is matched in normalized text.
  [[nodiscard]] bool has_normalized() const { return has_normalized_; }

  [[nodiscard]] const AddedToken* at(std::int32_t id) const;
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view content) const;
  [[nodiscard]] bool is_special(std::int32_t id) const;
  // What the decoder gets for the token: the normalized spelling where there is one.
  [[nodiscard]] std::string_view decoded_text(std::int32_t id) const;
  [[nodiscard]] std::int32_t size() const { return size_; }  // one past the largest id

 private:
  struct Row {
    AddedToken token;
    std::string normalized;  // spelling in normalized text
  };
  Status build_tries();

  std::unordered_map<std::int32_t, Row> rows_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_set<std::string> special_;
  Trie raw_, normalized_;
  bool has_raw_ = false, has_normalized_ = false;
  std::int32_t size_ = 0;
};

}  // namespace jang::text
