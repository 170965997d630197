// SPDX-License-Identifier: Apache-2.0
// The methods of dicts and loops.
#pragma once

#include <string_view>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

// nullptr when there is no such name.
[[nodiscard]] const Builtin* find_dict_method(std::string_view name);
[[nodiscard]] const Builtin* find_loop_method(std::string_view name);

}  // namespace jang::text::jinja
