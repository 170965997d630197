// SPDX-License-Identifier: Apache-2.0
// What Python's json module reads beyond JSON, brought into a form that a strict parser reads. Used by json.cpp only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace jang::json {

inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// A number that JSON, or the types of the strict parser, cannot hold.
struct OddNumber {
  std::size_t ordinal = 0;  // among all numbers of the document, from 0, in the order of the text
  double value = 0;
};

struct PlainText {
  std::string text;            // as long as the original: places in messages stay right
  std::vector<OddNumber> odd;  // ascending
};

// `text` with a zero, padded with spaces, in place of every NaN, Infinity, -Infinity, integer outside int64 and uint64, and number whose
// magnitude exceeds the largest double. What is no number to Python either stays as it is. O(n).
[[nodiscard]] PlainText replace_odd_numbers(std::string_view text);

}  // namespace jang::json
