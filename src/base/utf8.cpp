// SPDX-License-Identifier: Apache-2.0
// The table of RFC 3629 section 4, as code.
#include "base/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace jang::utf8 {
namespace {

unsigned char byte_at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

struct Step {
  std::size_t length;  // bytes of the character, or of the ill-formed part
  bool ok;
  bool truncated;  // ill-formed only because the text ends
};

// One character, or one maximal ill-formed part.
Step step(std::string_view text, std::size_t at) {
  const unsigned char b = byte_at(text, at);
  if (b < 0x80) return {1, true, false};
  if (b < 0xc2 || b > 0xf4) return {1, false, false};
  const std::size_t length = length_at(text[at]);
  const unsigned char lo = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80, hi = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
  for (std::size_t i = 1; i < length; ++i) {
    if (at + i >= text.size()) return {i, false, true};
    const unsigned char c = byte_at(text, at + i);
    const bool fits = i == 1 ? c >= lo && c <= hi : is_continuation(text[at + i]);
    if (!fits) return {i, false, false};
  }
  return {length, true, false};
}

// First offset from `at` on that is not ASCII.
std::size_t skip_ascii(std::string_view text, std::size_t at) {
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t w;
    std::memcpy(&w, text.data() + at, 8);
    if ((w & 0x8080808080808080u) != 0) break;
  }
  while (at < text.size() && byte_at(text, at) < 0x80) ++at;
  return at;
}

// U+FFFD for every ill-formed part, or for every byte of one. The bytes of such a part behind its first are none that begins a character,
// so that the two agree on what is well-formed.
std::string replace(std::string_view bytes, bool each_byte) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Step s = step(bytes, at);
    const std::size_t length = s.ok || !each_byte ? s.length : 1;
    out += s.ok ? bytes.substr(at, length) : kReplacement;
    at += length;
  }
  return out;
}

}  // namespace

std::size_t find_invalid(std::string_view bytes) {
  for (std::size_t at = 0;;) {
    at = skip_ascii(bytes, at);
    if (at == bytes.size()) return std::string_view::npos;
    const Step s = step(bytes, at);
    if (!s.ok) return at;
    at += s.length;
  }
}

std::string replace_invalid(std::string_view bytes) { return replace(bytes, false); }
std::string replace_invalid_bytes(std::string_view bytes) { return replace(bytes, true); }

std::size_t incomplete_tail(std::string_view bytes) {
  for (std::size_t n = 1; n <= 3 && n <= bytes.size(); ++n) {
    const std::size_t at = bytes.size() - n;
    if (is_continuation(bytes[at])) continue;
    const Step s = step(bytes, at);
    return s.truncated && s.length == n ? n : 0;
  }
  return 0;
}

char32_t next(std::string_view text, std::size_t& at) {
  const char32_t b = byte_at(text, at);
  const std::size_t length = length_at(text[at]);
  char32_t c = length == 1 ? b : b & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) c = c << 6 | (byte_at(text, at + i) & 0x3fu);
  at += length;
  return c;
}

char32_t single(std::string_view text) { return text.empty() || text.size() != length_at(text[0]) ? 0 : first(text); }

std::size_t previous(std::string_view text, std::size_t end) {
  do --end;
  while (end > 0 && is_continuation(text[end]));
  return end;
}

std::size_t count(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

void append(std::string& text, char32_t c) {
  const auto tail = [&](unsigned shift) { return static_cast<char>(0x80u | (c >> shift & 0x3fu)); };
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += {static_cast<char>(0xc0u | c >> 6), tail(0)};
  } else if (c < 0x10000) {
    text += {static_cast<char>(0xe0u | c >> 12), tail(6), tail(0)};
  } else {
    text += {static_cast<char>(0xf0u | c >> 18), tail(12), tail(6), tail(0)};
  }
}

}  // namespace jang::utf8
