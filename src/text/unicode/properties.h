// SPDX-License-Identifier: Apache-2.0
// What tokenizers ask of a character: white space, letter, punctuation, the sets of the Bert normalizer; and its lower case.
#pragma once

#include <string>

namespace jang::text::unicode {

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
