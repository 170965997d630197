// SPDX-License-Identifier: Apache-2.0
// Byte pair encoding.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer/models/model.h"

namespace jang::text {

struct BpeOptions {
  std::optional<std::string> unk_token, continuing_subword_prefix, end_of_word_suffix;
  bool fuse_unk = false, byte_fallback = false, ignore_merges = false;
};
using MergeList = std::vector<std::pair<std::string_view, std::string_view>>;  // by rank
// Errors: corrupt (a merge of pieces outside the vocabulary, an unknown token outside it).
[[nodiscard]] Result<std::unique_ptr<Model>> make_bpe(Vocabulary vocabulary, const MergeList& merges, const BpeOptions& options);

}  // namespace jang::text
