// SPDX-License-Identifier: Apache-2.0
// Tests: `value is name(arguments)`.
#pragma once

#include <string_view>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

// nullptr when there is no such name.
[[nodiscard]] const TestRow* find_test(std::string_view name);
// Why there is none of that name: unsupported where jinja has it, else corrupt.
[[nodiscard]] Status no_such_test(std::string_view name);

}  // namespace jang::text::jinja
