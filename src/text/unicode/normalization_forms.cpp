// SPDX-License-Identifier: Apache-2.0
// Decompose, order by combining class, compose. Properties and composites come from utf8proc. Text without a character that the form
// changes is returned as it is.
#include "text/unicode/normalization_forms.h"

#include <algorithm>
#include <array>
#include <vector>

#include <utf8proc.h>

#include "base/check.h"
#include "base/utf8.h"
#include "text/unicode/tables.h"

namespace jang::text {
namespace {

// Characters later than Unicode 9 that decompose or have a combining class in utf8proc 2.8 (Unicode 15).
constexpr tables::Range kLater[] = {
    {0x7fd, 0x7fd},     {0x898, 0x89f},     {0x8ca, 0x8d3},     {0x9fe, 0x9fe},     {0xc3c, 0xc3c},     {0xd3b, 0xd3c},
    {0xeba, 0xeba},     {0x1715, 0x1715},   {0x1abf, 0x1ace},   {0x1df6, 0x1dfa},   {0x32ff, 0x32ff},   {0xa7f2, 0xa7f4},
    {0xa82c, 0xa82c},   {0xab69, 0xab69},   {0x10781, 0x10785}, {0x10787, 0x107b0}, {0x107b2, 0x107ba}, {0x10d24, 0x10d27},
    {0x10eab, 0x10eac}, {0x10efd, 0x10eff}, {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
    {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11938, 0x11938}, {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0},
    {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45}, {0x11d97, 0x11d97},
    {0x11f41, 0x11f42}, {0x16ff0, 0x16ff1}, {0x1e030, 0x1e06d}, {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae},
    {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef}, {0x1f16c, 0x1f16c}, {0x1fbf0, 0x1fbf9}};

bool is_later(char32_t c) {
  return c >= kLater[0].first &&
         std::any_of(std::begin(kLater), std::end(kLater), [c](const tables::Range& r) { return c >= r.first && c <= r.last; });
}

struct Character {
  char32_t c;
  int combining_class;
};

int combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const int k = utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
  return k != 0 && is_later(c) ? 0 : k;
}

void decompose(char32_t c, bool compatible, std::vector<Character>& out) {
  const char32_t first = compatible ? 0xa0 : 0xc0;  // nothing below decomposes
  std::array<utf8proc_int32_t, 32> parts{};
  utf8proc_ssize_t n = 1;
  parts[0] = static_cast<utf8proc_int32_t>(c);
  if (c >= first && !is_later(c)) {
    int boundary = 0;
    const auto option = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
    n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), parts.size(), option, &boundary);
    JANG_CHECK(n >= 1 && static_cast<std::size_t>(n) <= parts.size());  // the longest has 18
  }
  for (utf8proc_ssize_t i = 0; i < n; ++i) {
    const auto part = static_cast<char32_t>(parts[static_cast<std::size_t>(i)]);
    out.push_back({part, combining_class(part)});
  }
}

void order(std::vector<Character>& text) {
  for (auto at = text.begin(); at != text.end();) {
    if (at->combining_class == 0) {
      ++at;
      continue;
    }
    const auto end = std::find_if(at, text.end(), [](const Character& c) { return c.combining_class == 0; });
    std::stable_sort(at, end, [](const Character& a, const Character& b) { return a.combining_class < b.combining_class; });
    at = end;
  }
}

// The primary composite of two characters, or 0.
char32_t composite(char32_t a, char32_t b) {
  if (b < 0x300) return 0;
  std::array<utf8proc_int32_t, 2> pair = {static_cast<utf8proc_int32_t>(a), static_cast<utf8proc_int32_t>(b)};
  const auto option = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (utf8proc_normalize_utf32(pair.data(), 2, option) != 1) return 0;
  const auto c = static_cast<char32_t>(pair[0]);
  return is_later(c) ? 0 : c;
}

// In place. A character is blocked from its starter by one between them of class 0 or of at least its own class.
void compose(std::vector<Character>& text) {
  constexpr std::size_t kNone = SIZE_MAX;
  std::size_t starter = kNone, n = 0;
  int last_class = -1;  // of the last character kept behind the starter; -1: none is
  for (const Character& next : text) {
    if (starter != kNone && last_class < next.combining_class) {
      if (const char32_t c = composite(text[starter].c, next.c)) {
        text[starter].c = c;
        continue;
      }
    }
    if (next.combining_class == 0) {
      starter = n;
      last_class = -1;
    } else {
      last_class = next.combining_class;
    }
    text[n++] = next;
  }
  text.resize(n);
}

}  // namespace

std::string to_form(std::string_view text, NormalizationForm form) {
  const bool compatible = form == NormalizationForm::nfkc || form == NormalizationForm::nfkd;
  const bool composed = form == NormalizationForm::nfc || form == NormalizationForm::nfkc;
  // Bytes below which nothing changes: 0xcc starts U+0300, 0xc3 starts U+00C0, 0xc2 starts U+0080.
  const unsigned char first = compatible ? 0xc2 : composed ? 0xcc : 0xc3;
  if (std::all_of(text.begin(), text.end(), [first](char c) {
        const auto b = static_cast<unsigned char>(c);
        return b < first;
      }))
    return std::string(text);
  std::vector<Character> characters;
  characters.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) decompose(utf8::next(text, at), compatible, characters);
  order(characters);
  if (composed) compose(characters);
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const Character& c : characters) utf8::append(out, c.c);
  return out;
}

}  // namespace jang::text
