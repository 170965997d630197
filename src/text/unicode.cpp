// SPDX-License-Identifier: Apache-2.0
// UTF-8 by the table of RFC 3629 section 4; sets from unicode_tables.cpp; lower case from utf8proc.
#include "text/unicode.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include <utf8proc.h>

#include "text/unicode_tables.h"

namespace jang::text::unicode {
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
    const bool fits = i == 1 ? c >= lo && c <= hi : (c & 0xc0u) == 0x80u;
    if (!fits) return {i, false, false};
  }
  return {length, true, false};
}

bool in(std::span<const tables::Range> ranges, char32_t c) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), c, [](char32_t v, const tables::Range& r) { return v < r.first; });
  return after != ranges.begin() && c <= std::prev(after)->last;
}

// Lower case that is newer than Unicode 15: characters first..last, and what to add.
struct LowerRange {
  char32_t first, last;
  std::int32_t add;
};
constexpr LowerRange kNewerLower[] = {{0x1c89, 0x1c89, 1},      {0xa7cb, 0xa7cb, -0xa567}, {0xa7cc, 0xa7cc, 1}, {0xa7ce, 0xa7ce, 1},
                                      {0xa7d2, 0xa7d2, 1},      {0xa7d4, 0xa7d4, 1},       {0xa7da, 0xa7da, 1}, {0xa7dc, 0xa7dc, -0xa641},
                                      {0x10d50, 0x10d65, 0x20}, {0x16ea0, 0x16eb8, 0x1b}};

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

}  // namespace

std::size_t first_invalid(std::string_view text) {
  for (std::size_t at = 0;;) {
    at = skip_ascii(text, at);
    if (at == text.size()) return at;
    const Step s = step(text, at);
    if (!s.ok) return at;
    at += s.length;
  }
}

std::string replace_invalid(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size();) {
    const Step s = step(bytes, at);
    out += s.ok ? bytes.substr(at, s.length) : kReplacement;
    at += s.length;
  }
  return out;
}

std::size_t incomplete_tail(std::string_view bytes) {
  for (std::size_t n = 1; n <= 3 && n <= bytes.size(); ++n) {
    const std::size_t at = bytes.size() - n;
    if ((byte_at(bytes, at) & 0xc0u) == 0x80u) continue;
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

std::size_t previous(std::string_view text, std::size_t end) {
  do --end;
  while (end > 0 && (byte_at(text, end) & 0xc0u) == 0x80u);
  return end;
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

std::size_t count(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }));
}

char32_t single(std::string_view text) {
  if (text.empty() || text.size() != length_at(text[0])) return 0;
  std::size_t at = 0;
  return next(text, at);
}

bool is_whitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

bool is_word(char32_t c) { return in(tables::word, c); }
bool is_numeric(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : in(tables::numeric, c); }
bool is_punctuation(char32_t c) { return in(tables::punctuation, c); }
bool is_bert_removed(char32_t c) { return c == 0 || c == 0xfffd || in(tables::bert_removed, c); }
bool is_bert_mark(char32_t c) { return c >= 0x300 && in(tables::bert_marks, c); }
bool is_combining_mark(char32_t c) { return c >= 0x300 && in(tables::combining_marks, c); }

bool is_chinese(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
         (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

void append_lowercase(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  } else if (c == 0x130) {  // the one character whose lower case is two: i and combining dot above
    text += "i\xcc\x87";
  } else {
    for (const LowerRange& r : kNewerLower)
      if (c >= r.first && c <= r.last) return append(text, static_cast<char32_t>(static_cast<std::int32_t>(c) + r.add));
    append(text, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace jang::text::unicode
