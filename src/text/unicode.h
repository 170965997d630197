// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the character predicates of tokenizers. Only `valid` takes arbitrary bytes: everything else expects valid UTF-8 at a character
// boundary, which every text inside the engine is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace jang::text::unicode {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// Offset of the first byte that is not well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms), text.size() when there is none.
[[nodiscard]] std::size_t first_invalid(std::string_view text);
[[nodiscard]] inline bool valid(std::string_view text) { return first_invalid(text) == text.size(); }
// `bytes` with every maximal ill-formed part replaced by U+FFFD.
[[nodiscard]] std::string replace_invalid(std::string_view bytes);
// Length of the tail of `bytes` that may become a character with more bytes: 0 to 3.
[[nodiscard]] std::size_t incomplete_tail(std::string_view bytes);

// Bytes of the character whose first byte this is.
[[nodiscard]] inline std::size_t length_at(char first) {
  const auto b = static_cast<unsigned char>(first);
  return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}
// Whether a character begins at `at` < text.size().
[[nodiscard]] inline bool is_boundary(std::string_view text, std::size_t at) {
  return (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
}
// The character at `at`, which moves behind it.
[[nodiscard]] char32_t next(std::string_view text, std::size_t& at);
// Offset of the character that ends at `end` > 0.
[[nodiscard]] std::size_t previous(std::string_view text, std::size_t end);
void append(std::string& text, char32_t c);
[[nodiscard]] std::size_t count(std::string_view text);
// The only character of `text`, or 0.
[[nodiscard]] char32_t single(std::string_view text);

[[nodiscard]] bool is_whitespace(char32_t c);   // White_Space
[[nodiscard]] bool is_word(char32_t c);         // \w of Rust's regex
[[nodiscard]] bool is_numeric(char32_t c);      // N
[[nodiscard]] bool is_punctuation(char32_t c);  // P, and all ASCII punctuation
[[nodiscard]] bool is_chinese(char32_t c);      // as the Bert normalizer says it
[[nodiscard]] bool is_bert_removed(char32_t c);
[[nodiscard]] bool is_bert_mark(char32_t c);
[[nodiscard]] bool is_combining_mark(char32_t c);
void append_lowercase(std::string& text, char32_t c);

}  // namespace jang::text::unicode
