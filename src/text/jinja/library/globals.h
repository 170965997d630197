// SPDX-License-Identifier: Apache-2.0
// The global functions.
#pragma once

#include <string_view>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

// nullptr when there is no such name.
[[nodiscard]] const Builtin* find_global(std::string_view name);

}  // namespace jang::text::jinja
