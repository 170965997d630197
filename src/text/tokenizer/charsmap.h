// SPDX-License-Identifier: Apache-2.0
// The normalization rules that SentencePiece compiles into a model ("precompiled_charsmap"): a Darts double-array trie from character
// sequences to offsets into a block of zero-terminated replacements.
//
// Layout after base64: u32 size of the trie in bytes, the trie (u32 units), the replacements; little endian. A unit has a label in bits
// 0..7 and 31, a leaf flag in bit 8, an offset in bits 10..30 scaled by bit 9; a value unit holds its value in bits 0..30.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"

namespace jang::text {

class Charsmap {
 public:
  // Errors: corrupt.
  static Result<Charsmap> parse(std::string_view base64);
  // Grapheme cluster by grapheme cluster, as the library does: a cluster shorter than 6 bytes is looked up first as a whole, and replaced
  // as a whole by what its shortest known beginning maps to; else its characters are looked up one by one.
  [[nodiscard]] std::string apply(std::string_view text) const;

 private:
  [[nodiscard]] std::optional<std::string_view> look_up(std::string_view text) const;

  std::vector<std::uint32_t> trie_;
  std::string replacements_;
};

}  // namespace jang::text
