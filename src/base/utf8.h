// SPDX-License-Identifier: Apache-2.0
// UTF-8, once for the whole program: what is valid, what takes the place of bad bytes, and the characters of a valid text. Valid is what
// RFC 3629 says: no surrogates, no overlong forms, at most U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace jang::utf8 {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// --- any bytes

// Offset of the first byte that is not valid UTF-8, or npos.
[[nodiscard]] std::size_t find_invalid(std::string_view bytes);
[[nodiscard]] inline bool is_valid(std::string_view bytes) { return find_invalid(bytes) == std::string_view::npos; }
// `bytes` with every maximal ill-formed part replaced by U+FFFD, as Unicode recommends: the bytes of a character cut short are one part.
[[nodiscard]] std::string replace_invalid(std::string_view bytes);
// `bytes` with every byte that belongs to no character replaced by U+FFFD.
[[nodiscard]] std::string replace_invalid_bytes(std::string_view bytes);
// Length of the tail of `bytes` that may become a character with more bytes: 0 to 3.
[[nodiscard]] std::size_t incomplete_tail(std::string_view bytes);
// Whether the byte goes on with a character that began before it.
[[nodiscard]] constexpr bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0u) == 0x80u; }

// --- valid UTF-8, at a character's first byte

// Bytes of the character whose first byte this is.
[[nodiscard]] constexpr std::size_t length_at(char first) {
  const auto b = static_cast<unsigned char>(first);
  return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}
// The character at `at`, which moves behind it.
[[nodiscard]] char32_t next(std::string_view text, std::size_t& at);
// The first character of a text that is not empty.
[[nodiscard]] inline char32_t first(std::string_view text) {
  std::size_t at = 0;
  return next(text, at);
}
// The only character of `text`, or 0.
[[nodiscard]] char32_t single(std::string_view text);
// Offset of the character that ends at `end` > 0.
[[nodiscard]] std::size_t previous(std::string_view text, std::size_t end);
[[nodiscard]] std::size_t count(std::string_view text);
void append(std::string& text, char32_t c);

}  // namespace jang::utf8
