// SPDX-License-Identifier: Apache-2.0
// WordPiece and WordLevel: the longest piece first; the whole word.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "text/tokenizer/models/model.h"

namespace jang::text {

struct WordPieceOptions {
  std::string unk_token = "[UNK]", continuing_subword_prefix = "##";
  std::uint64_t max_input_chars_per_word = 100;
};
[[nodiscard]] Result<std::unique_ptr<Model>> make_wordpiece(Vocabulary vocabulary, const WordPieceOptions& options);

[[nodiscard]] Result<std::unique_ptr<Model>> make_wordlevel(Vocabulary vocabulary, std::string unk_token);

}  // namespace jang::text
