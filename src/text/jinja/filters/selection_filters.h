// SPDX-License-Identifier: Apache-2.0
// Filters that apply a filter, a test or an attribute to every item.
#pragma once

#include <span>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

[[nodiscard]] std::span<const Builtin> selection_filters();

}  // namespace jang::text::jinja
