// SPDX-License-Identifier: Apache-2.0
// Character sets that decide token ids, as sorted disjoint ranges. The numbers are measured on the `tokenizers` library, whose parts follow
// different Unicode versions: scripts/make_unicode_tables.py.
#pragma once

#include <span>
#include <string_view>

namespace jang::text::tables {

struct Range {
  char32_t first, last;  // inclusive
};
struct NamedRanges {
  std::string_view name;
  std::span<const Range> ranges;
};

extern const std::span<const Range> word, numeric, punctuation, bert_removed, bert_marks, combining_marks;
// General categories ("Lo") and scripts ("Han"): what a regex must match beyond the Unicode 14 of PCRE2 10.40 to 10.42.
extern const std::span<const NamedRanges> newer;

}  // namespace jang::text::tables
