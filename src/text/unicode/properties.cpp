// SPDX-License-Identifier: Apache-2.0
// Sets from tables.cpp; lower case from utf8proc.
#include "text/unicode/properties.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include <utf8proc.h>

#include "base/utf8.h"
#include "text/unicode/tables.h"

namespace jang::text::unicode {
namespace {

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

}  // namespace

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
      if (c >= r.first && c <= r.last) return utf8::append(text, static_cast<char32_t>(static_cast<std::int32_t>(c) + r.add));
    utf8::append(text, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace jang::text::unicode
