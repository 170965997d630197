// SPDX-License-Identifier: Apache-2.0
// The alphabet of byte-level BPE (GPT-2): each byte is one printable character. '!'..'~', 0xa1..0xac and 0xae..0xff are themselves, the
// other 68 bytes become U+0100, U+0101, .. in order.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace jang::text::byte_level {

struct Alphabet {
  std::array<char16_t, 256> character{};   // of a byte
  std::array<std::int16_t, 0x144> byte{};  // of a character, -1 when it stands for none
};

constexpr Alphabet make_alphabet() {
  Alphabet a;
  a.byte.fill(-1);
  char16_t next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const bool itself = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    a.character[b] = itself ? static_cast<char16_t>(b) : next++;
    a.byte[a.character[b]] = static_cast<std::int16_t>(b);
  }
  return a;
}
inline constexpr Alphabet kAlphabet = make_alphabet();

inline void append_encoded(std::string& out, std::string_view bytes) {
  for (const char b : bytes) utf8::append(out, kAlphabet.character[static_cast<unsigned char>(b)]);
}

inline std::string encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2);
  append_encoded(out, bytes);
  return out;
}

// The bytes that `text` spells; false, and `out` as it was, when a character is outside the alphabet.
inline bool append_decoded(std::string& out, std::string_view text) {
  const std::size_t before = out.size();
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = utf8::next(text, at);
    if (c >= kAlphabet.byte.size() || kAlphabet.byte[c] < 0) {
      out.resize(before);
      return false;
    }
    out += static_cast<char>(kAlphabet.byte[c]);
  }
  return true;
}

}  // namespace jang::text::byte_level
