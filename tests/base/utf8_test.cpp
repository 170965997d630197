// SPDX-License-Identifier: Apache-2.0
// UTF-8 against RFC 3629: every code point there and back, every pair of bytes, and what takes the place of bad bytes.
#include "base/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace jang::utf8 {
namespace {

constexpr char32_t kEnd = 0x110000;
constexpr const char* kMixed = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";  // 1, 2, 3 and 4 bytes

bool is_surrogate(char32_t c) { return c >= 0xd800 && c <= 0xdfff; }

TEST(Utf8, every_code_point_but_surrogates_is_valid_and_read_back) {
  for (char32_t c = 0; c < kEnd; ++c) {
    std::string text;
    append(text, c);
    ASSERT_EQ(is_valid(text), !is_surrogate(c)) << static_cast<unsigned>(c);
    ASSERT_EQ(length_at(text[0]), text.size());
    std::size_t at = 0;
    ASSERT_EQ(next(text, at), c);
    ASSERT_EQ(at, text.size());
    ASSERT_EQ(single(text), c);
    ASSERT_EQ(previous(text, text.size()), 0u);
    ASSERT_EQ(count(text), 1u);
  }
}

TEST(Utf8, of_two_bytes_only_those_of_one_or_two_characters_are_valid) {
  for (int first_byte = 0; first_byte < 256; ++first_byte) {
    for (int second_byte = 0; second_byte < 256; ++second_byte) {
      const std::string text = {static_cast<char>(first_byte), static_cast<char>(second_byte)};
      const bool two = first_byte < 0x80 && second_byte < 0x80;
      const bool one = first_byte >= 0xc2 && first_byte <= 0xdf && second_byte >= 0x80 && second_byte <= 0xbf;
      ASSERT_EQ(is_valid(text), one || two) << first_byte << ' ' << second_byte;
    }
  }
}

TEST(Utf8, first_invalid_byte_is_found) {
  EXPECT_EQ(find_invalid(""), std::string_view::npos);
  EXPECT_EQ(find_invalid(kMixed), std::string_view::npos);
  EXPECT_EQ(find_invalid("\xf4\x8f\xbf\xbf"), std::string_view::npos);
  for (const char* bad : {"\xff", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf5\x80", "\xe2\x82", "\xf0\x9f\x98", "\x80", "\xbf", "\xe2(\xa1", "\xe2\x82("}) {
    EXPECT_EQ(find_invalid(bad), 0u) << bad;
    for (std::size_t n = 0; n < 20; ++n)  // the search takes eight bytes at a time
      EXPECT_EQ(find_invalid(std::string(n, 'x') + bad + "yyyyyyyyyyyy"), n) << bad;
    EXPECT_EQ(find_invalid(std::string(kMixed) + bad), 10u) << bad;
  }
}

TEST(Utf8, a_bad_part_becomes_one_replacement_character) {
  EXPECT_EQ(replace_invalid("a\xff"
                            "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(replace_invalid("\xe4\xbd"), "\xef\xbf\xbd");                              // one for the character cut short
  EXPECT_EQ(replace_invalid("\xf0\x9f\x98z"), "\xef\xbf\xbdz");                        // also inside a text
  EXPECT_EQ(replace_invalid("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // a surrogate: one a byte
  EXPECT_EQ(replace_invalid(kMixed), kMixed);
}

TEST(Utf8, or_every_bad_byte_becomes_one) {
  EXPECT_EQ(replace_invalid_bytes("a\xff"
                                  "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(replace_invalid_bytes("\xe4\xbd"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(replace_invalid_bytes("\xf0\x9f\x98z"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
  EXPECT_EQ(replace_invalid_bytes(kMixed), kMixed);
}

TEST(Utf8, incomplete_tails_are_measured) {
  EXPECT_EQ(incomplete_tail(""), 0u);
  EXPECT_EQ(incomplete_tail("a"), 0u);
  EXPECT_EQ(incomplete_tail("a\xe4"), 1u);
  EXPECT_EQ(incomplete_tail("a\xe4\xbd"), 2u);
  EXPECT_EQ(incomplete_tail("a\xf0\x9f\x98"), 3u);
  EXPECT_EQ(incomplete_tail("\xe4\xbd\xa0"), 0u);
  EXPECT_EQ(incomplete_tail("\x98"), 0u);
  EXPECT_EQ(incomplete_tail("\xed\xa0"), 0u);  // can become nothing
}

TEST(Utf8, characters_are_gone_through_in_both_directions) {
  const std::string text = kMixed;
  std::u32string forwards, backwards;
  for (std::size_t at = 0; at < text.size();) forwards += next(text, at);
  for (std::size_t end = text.size(); end > 0; end = previous(text, end))
    backwards += first(std::string_view(text).substr(previous(text, end)));
  EXPECT_EQ(forwards, U"a\u00e9\u20ac\U0001f600");
  EXPECT_EQ(backwards, U"\U0001f600\u20ac\u00e9a");
  EXPECT_EQ(count(text), 4u);
  EXPECT_EQ(single(text), 0u);
  EXPECT_EQ(single(""), 0u);
}

}  // namespace
}  // namespace jang::utf8
