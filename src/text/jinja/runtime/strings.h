// SPDX-License-Identifier: Apache-2.0
// Python's string operations on Text, marks kept. Sizes are checked before anything is allocated; searching is linear in any case.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "jang/status.h"
#include "text/jinja/runtime/runtime.h"
#include "text/jinja/runtime/text.h"

namespace jang::text::jinja {

enum class Side : std::uint8_t { left = 1, right = 2, both = 3 };

// Without white space, or without the characters of `characters` when not null, at the ends asked for.
[[nodiscard]] Text strip(const Text& text, Side side, const Text* characters);

[[nodiscard]] Text to_upper(const Text& text);
[[nodiscard]] Text to_lower(const Text& text);
[[nodiscard]] Text capitalize(const Text& text);
[[nodiscard]] Text title_method(const Text& text);  // str.title(): words are runs of cased letters
[[nodiscard]] Text title_filter(const Text& text);  // jinja's title: words begin after - ( { [ < and white space

// Byte ranges of the parts; `limit` < 0 means no limit.
[[nodiscard]] std::vector<Span> split_space(const Text& text, std::int64_t limit);
[[nodiscard]] std::vector<Span> rsplit_space(const Text& text, std::int64_t limit);
[[nodiscard]] std::vector<Span> split_by(const Text& text, std::string_view separator, std::int64_t limit);  // separator not empty
[[nodiscard]] std::vector<Span> rsplit_by(const Text& text, std::string_view separator, std::int64_t limit);
[[nodiscard]] std::vector<Span> split_lines(const Text& text, bool keep_ends);

[[nodiscard]] Result<Text> replace(Runtime& runtime, const Text& text, const Text& from, const Text& to, std::int64_t limit);
[[nodiscard]] std::int64_t count_occurrences(std::string_view text, std::string_view part);

[[nodiscard]] Result<Text> indent(Runtime& runtime, const Text& text, const Text& indention, bool first, bool blank);
[[nodiscard]] Result<Text> join(Runtime& runtime, const Text& separator, const std::vector<Text>& parts);

// For HTML: the `escape` filter.
[[nodiscard]] Text escape_html(const Text& text);

// Not empty, and every character is of the class.
[[nodiscard]] bool all_of(const Text& text, bool (*is_of_class)(char32_t));

}  // namespace jang::text::jinja
