// SPDX-License-Identifier: Apache-2.0
// Filters for numbers.
#pragma once

#include <span>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

[[nodiscard]] std::span<const Builtin> number_filters();

}  // namespace jang::text::jinja
