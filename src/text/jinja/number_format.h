// SPDX-License-Identifier: Apache-2.0
// Numbers and values under the options that printf directives and format specifications share.
#pragma once

#include <cstdint>

#include "text/jinja/runtime.h"

namespace jang::text::jinja {

struct NumberStyle {
  Text fill{" "};
  char align = '\0';  // < > ^ =, 0: as the type prefers
  char sign = '-';    // + - or blank
  bool alternate = false;
  bool zero = false;
  char grouping = '\0';  // , or _
  std::int64_t width = 0;
  std::int64_t precision = -1;  // -1: none
};

// type: d x X o b
[[nodiscard]] Result<Text> format_integer(Runtime& runtime, std::int64_t value, char type, const NumberStyle& style);
// type: e E f F g G, or 0 for the shortest
[[nodiscard]] Result<Text> format_real(Runtime& runtime, double value, char type, const NumberStyle& style);
// "{:specification}"
[[nodiscard]] Result<Text> format_value(Runtime& runtime, const Value& value, const Text& specification);

}  // namespace jang::text::jinja
