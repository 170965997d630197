// SPDX-License-Identifier: Apache-2.0
// Whether a text has a part: what most tests ask of what is printed.
#pragma once

#include <string_view>

namespace jang::test {

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace jang::test
