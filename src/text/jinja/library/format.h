// SPDX-License-Identifier: Apache-2.0
// str.format() with the fields {}, {0} and {name}.
#pragma once

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

[[nodiscard]] Result<Value> format_braces(Runtime& runtime, const Text& format, const Arguments& arguments);

}  // namespace jang::text::jinja
