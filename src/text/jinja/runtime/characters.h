// SPDX-License-Identifier: Apache-2.0
// Classes of characters as Python's str methods and regular expressions see them. Case mapping is the full one of Unicode ("ß" to "SS"),
// through utf8proc and a table of the letters that become several.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace jang::text::jinja {

[[nodiscard]] bool is_space(char32_t c);          // str.isspace(), \s
[[nodiscard]] bool is_line_break(char32_t c);     // where str.splitlines() splits
[[nodiscard]] bool is_alpha(char32_t c);          // str.isalpha()
[[nodiscard]] bool is_decimal_digit(char32_t c);  // \d
[[nodiscard]] bool is_digit_like(char32_t c);     // str.isdigit()
[[nodiscard]] bool is_numeric(char32_t c);        // a number of any kind
[[nodiscard]] bool is_word(char32_t c);           // \w
[[nodiscard]] bool is_upper(char32_t c);
[[nodiscard]] bool is_lower(char32_t c);
[[nodiscard]] bool is_title(char32_t c);

[[nodiscard]] std::u32string upper(char32_t c);
[[nodiscard]] std::u32string lower(char32_t c);
[[nodiscard]] std::u32string title(char32_t c);

// Bytes of white space at the beginning or end. Precondition: valid UTF-8.
[[nodiscard]] std::size_t leading_space(std::string_view text);
[[nodiscard]] std::size_t trailing_space(std::string_view text);

}  // namespace jang::text::jinja
