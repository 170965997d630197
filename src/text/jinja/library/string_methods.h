// SPDX-License-Identifier: Apache-2.0
// The methods of str.
#pragma once

#include <string_view>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

// nullptr when there is no such name.
[[nodiscard]] const Builtin* find_string_method(std::string_view name);

}  // namespace jang::text::jinja
