// SPDX-License-Identifier: Apache-2.0
// The table of all filters.
#pragma once

#include <string_view>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

// nullptr when there is no such name.
[[nodiscard]] const Builtin* find_filter(std::string_view name);
// Why there is none of that name: unsupported where jinja has it, else corrupt.
[[nodiscard]] Status no_such_filter(std::string_view name);

}  // namespace jang::text::jinja
