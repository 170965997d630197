// SPDX-License-Identifier: Apache-2.0
// What evaluation needs to know of UTF-8: whether a text from outside is valid, and its length in code points.
#pragma once

#include <cstddef>
#include <string_view>

namespace jang::eval {

// Offset of the first byte that is not valid UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF), or npos.
[[nodiscard]] std::size_t find_invalid_utf8(std::string_view text);
// Code points of a valid text.
[[nodiscard]] std::size_t count_code_points(std::string_view text);

}  // namespace jang::eval
