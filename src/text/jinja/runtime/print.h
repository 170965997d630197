// SPDX-License-Identifier: Apache-2.0
// str() and repr().
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

[[nodiscard]] Status print(Runtime& runtime, const Value& value, Text& out);
[[nodiscard]] Status print_repr(Runtime& runtime, const Value& value, Text& out);
[[nodiscard]] Result<Text> to_text(Runtime& runtime, const Value& value);
[[nodiscard]] std::string format_real(double value);  // repr of a float
void append_string_repr(const Text& text, Text& out);
[[nodiscard]] std::string in_quotes(std::string_view text);  // repr of a short string, for messages

}  // namespace jang::text::jinja
