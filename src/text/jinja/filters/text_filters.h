// SPDX-License-Identifier: Apache-2.0
// Filters that make text.
#pragma once

#include <span>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

[[nodiscard]] std::span<const Builtin> text_filters();

}  // namespace jang::text::jinja
