// SPDX-License-Identifier: Apache-2.0
// Filters over sequences as a whole.
#pragma once

#include <span>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

[[nodiscard]] std::span<const Builtin> sequence_filters();

}  // namespace jang::text::jinja
