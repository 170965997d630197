// SPDX-License-Identifier: Apache-2.0
// Character classes from utf8proc's categories; letters whose upper or title case is several letters from Unicode's SpecialCasing.txt,
// which utf8proc lacks. Other_Lowercase and Other_Uppercase are PropList.txt's.
#include "text/jinja/runtime/characters.h"

#include <algorithm>
#include <array>

#include <utf8proc.h>

#include "base/utf8.h"
#include "text/jinja/runtime/text.h"

namespace jang::text::jinja {
namespace {

struct SpecialCase {
  char32_t letter;
  std::u32string_view upper, title;
};
// clang-format off
constexpr auto kSpecialCases = std::to_array<SpecialCase>({
    {0x00df, U"\U00000053\U00000053", U"\U00000053\U00000073"},
    {0x0149, U"\U000002bc\U0000004e", U"\U000002bc\U0000004e"},
    {0x01f0, U"\U0000004a\U0000030c", U"\U0000004a\U0000030c"},
    {0x0390, U"\U00000399\U00000308\U00000301", U"\U00000399\U00000308\U00000301"},
    {0x03b0, U"\U000003a5\U00000308\U00000301", U"\U000003a5\U00000308\U00000301"},
    {0x0587, U"\U00000535\U00000552", U"\U00000535\U00000582"},
    {0x1e96, U"\U00000048\U00000331", U"\U00000048\U00000331"},
    {0x1e97, U"\U00000054\U00000308", U"\U00000054\U00000308"},
    {0x1e98, U"\U00000057\U0000030a", U"\U00000057\U0000030a"},
    {0x1e99, U"\U00000059\U0000030a", U"\U00000059\U0000030a"},
    {0x1e9a, U"\U00000041\U000002be", U"\U00000041\U000002be"},
    {0x1f50, U"\U000003a5\U00000313", U"\U000003a5\U00000313"},
    {0x1f52, U"\U000003a5\U00000313\U00000300", U"\U000003a5\U00000313\U00000300"},
    {0x1f54, U"\U000003a5\U00000313\U00000301", U"\U000003a5\U00000313\U00000301"},
    {0x1f56, U"\U000003a5\U00000313\U00000342", U"\U000003a5\U00000313\U00000342"},
    {0x1fb2, U"\U00001fba\U00000399", U"\U00001fba\U00000345"},
    {0x1fb3, U"\U00000391\U00000399", U"\U00001fbc"},
    {0x1fb4, U"\U00000386\U00000399", U"\U00000386\U00000345"},
    {0x1fb6, U"\U00000391\U00000342", U"\U00000391\U00000342"},
    {0x1fb7, U"\U00000391\U00000342\U00000399", U"\U00000391\U00000342\U00000345"},
    {0x1fbc, U"\U00000391\U00000399", U"\U00001fbc"},
    {0x1fc2, U"\U00001fca\U00000399", U"\U00001fca\U00000345"},
    {0x1fc3, U"\U00000397\U00000399", U"\U00001fcc"},
    {0x1fc4, U"\U00000389\U00000399", U"\U00000389\U00000345"},
    {0x1fc6, U"\U00000397\U00000342", U"\U00000397\U00000342"},
    {0x1fc7, U"\U00000397\U00000342\U00000399", U"\U00000397\U00000342\U00000345"},
    {0x1fcc, U"\U00000397\U00000399", U"\U00001fcc"},
    {0x1fd2, U"\U00000399\U00000308\U00000300", U"\U00000399\U00000308\U00000300"},
    {0x1fd3, U"\U00000399\U00000308\U00000301", U"\U00000399\U00000308\U00000301"},
    {0x1fd6, U"\U00000399\U00000342", U"\U00000399\U00000342"},
    {0x1fd7, U"\U00000399\U00000308\U00000342", U"\U00000399\U00000308\U00000342"},
    {0x1fe2, U"\U000003a5\U00000308\U00000300", U"\U000003a5\U00000308\U00000300"},
    {0x1fe3, U"\U000003a5\U00000308\U00000301", U"\U000003a5\U00000308\U00000301"},
    {0x1fe4, U"\U000003a1\U00000313", U"\U000003a1\U00000313"},
    {0x1fe6, U"\U000003a5\U00000342", U"\U000003a5\U00000342"},
    {0x1fe7, U"\U000003a5\U00000308\U00000342", U"\U000003a5\U00000308\U00000342"},
    {0x1ff2, U"\U00001ffa\U00000399", U"\U00001ffa\U00000345"},
    {0x1ff3, U"\U000003a9\U00000399", U"\U00001ffc"},
    {0x1ff4, U"\U0000038f\U00000399", U"\U0000038f\U00000345"},
    {0x1ff6, U"\U000003a9\U00000342", U"\U000003a9\U00000342"},
    {0x1ff7, U"\U000003a9\U00000342\U00000399", U"\U000003a9\U00000342\U00000345"},
    {0x1ffc, U"\U000003a9\U00000399", U"\U00001ffc"},
    {0xfb00, U"\U00000046\U00000046", U"\U00000046\U00000066"},
    {0xfb01, U"\U00000046\U00000049", U"\U00000046\U00000069"},
    {0xfb02, U"\U00000046\U0000004c", U"\U00000046\U0000006c"},
    {0xfb03, U"\U00000046\U00000046\U00000049", U"\U00000046\U00000066\U00000069"},
    {0xfb04, U"\U00000046\U00000046\U0000004c", U"\U00000046\U00000066\U0000006c"},
    {0xfb05, U"\U00000053\U00000054", U"\U00000053\U00000074"},
    {0xfb06, U"\U00000053\U00000054", U"\U00000053\U00000074"},
    {0xfb13, U"\U00000544\U00000546", U"\U00000544\U00000576"},
    {0xfb14, U"\U00000544\U00000535", U"\U00000544\U00000565"},
    {0xfb15, U"\U00000544\U0000053b", U"\U00000544\U0000056b"},
    {0xfb16, U"\U0000054e\U00000546", U"\U0000054e\U00000576"},
    {0xfb17, U"\U00000544\U0000053d", U"\U00000544\U0000056d"},
});
// clang-format on

struct Range {
  char32_t first, last;
};
constexpr auto kOtherUppercase =
    std::to_array<Range>({{0x2160, 0x216f}, {0x24b6, 0x24cf}, {0x1f130, 0x1f149}, {0x1f150, 0x1f169}, {0x1f170, 0x1f189}});
constexpr auto kOtherLowercase = std::to_array<Range>(
    {{0xaa, 0xaa},     {0xba, 0xba},     {0x2b0, 0x2b8},   {0x2c0, 0x2c1},   {0x2e0, 0x2e4},   {0x345, 0x345},   {0x37a, 0x37a},
     {0x1d2c, 0x1d6a}, {0x1d78, 0x1d78}, {0x1d9b, 0x1dbf}, {0x2071, 0x2071}, {0x207f, 0x207f}, {0x2090, 0x209c}, {0x2170, 0x217f},
     {0x24d0, 0x24e9}, {0x2c7c, 0x2c7d}, {0xa69c, 0xa69d}, {0xa770, 0xa770}, {0xa7f8, 0xa7f9}, {0xab5c, 0xab5f}});
// Digits that are not decimal: superscripts, circled ones and their like.
constexpr auto kOtherDigits = std::to_array<Range>(
    {{0xb2, 0xb3},     {0xb9, 0xb9},     {0x1369, 0x1371},   {0x19da, 0x19da},   {0x2070, 0x2070},   {0x2074, 0x2079},  {0x2080, 0x2089},
     {0x2460, 0x2468}, {0x2474, 0x247c}, {0x2488, 0x2490},   {0x24ea, 0x24ea},   {0x24f5, 0x24fd},   {0x24ff, 0x24ff},  {0x2776, 0x277e},
     {0x2780, 0x2788}, {0x278a, 0x2792}, {0x10a40, 0x10a43}, {0x10e60, 0x10e68}, {0x11052, 0x1105a}, {0x1f100, 0x1f10a}});

template <std::size_t N>
bool is_in(char32_t c, const std::array<Range, N>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& r) { return c >= r.first && c <= r.last; });
}

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

const SpecialCase* special_case(char32_t c) {
  const auto at =
      std::lower_bound(kSpecialCases.begin(), kSpecialCases.end(), c, [](const SpecialCase& s, char32_t l) { return s.letter < l; });
  return at != kSpecialCases.end() && at->letter == c ? &*at : nullptr;
}

}  // namespace

bool is_space(char32_t c) {
  if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

bool is_line_break(char32_t c) { return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029; }

bool is_alpha(char32_t c) {
  const utf8proc_category_t k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}
bool is_decimal_digit(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND; }
bool is_digit_like(char32_t c) { return is_decimal_digit(c) || is_in(c, kOtherDigits); }
bool is_numeric(char32_t c) {
  const utf8proc_category_t k = category(c);
  return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}
bool is_word(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  return is_alpha(c) || is_numeric(c);
}
bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU || is_in(c, kOtherUppercase); }
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL || is_in(c, kOtherLowercase); }
bool is_title(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }

// Greek letters with iota subscript, U+1F80 to U+1FAF, in blocks of eight small and eight title-case letters: the capital is the letter of
// U+1F08, U+1F28 or U+1F68 and a capital iota.
bool has_subscript(char32_t c) { return c >= 0x1f80 && c <= 0x1faf; }
char32_t without_subscript(char32_t c) { return (c < 0x1f90 ? 0x1f08 : c < 0x1fa0 ? 0x1f28 : 0x1f68) + (c & 7u); }

std::u32string upper(char32_t c) {
  if (has_subscript(c)) return {without_subscript(c), 0x399};
  if (const SpecialCase* s = special_case(c)) return std::u32string(s->upper);
  return {static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)))};
}

std::u32string lower(char32_t c) {
  if (c == 0x130) return U"i\u0307";
  return {static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)))};
}

std::u32string title(char32_t c) {
  if (has_subscript(c)) return {c | 8u};
  if (const SpecialCase* s = special_case(c)) return std::u32string(s->title);
  return {static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c)))};
}

std::size_t leading_space(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = utf8::length_at(text[at]);
    if (!is_space(utf8::first(text.substr(at, length)))) break;
    at += length;
  }
  return at;
}

std::size_t trailing_space(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t begin = end - 1;
    while (utf8::is_continuation(text[begin])) --begin;
    if (!is_space(utf8::first(text.substr(begin, end - begin)))) break;
    end = begin;
  }
  return text.size() - end;
}

}  // namespace jang::text::jinja
