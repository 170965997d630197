// SPDX-License-Identifier: Apache-2.0
// The filter tables, one per file of filters.
#pragma once

#include <span>

#include "text/jinja/runtime.h"

namespace jang::text::jinja {

[[nodiscard]] std::span<const Builtin> text_filters();
[[nodiscard]] std::span<const Builtin> number_filters();
[[nodiscard]] std::span<const Builtin> sequence_filters();
[[nodiscard]] std::span<const Builtin> selection_filters();

// Strings in small letters, other values as they are: how sorting filters compare unless asked otherwise.
[[nodiscard]] Result<Value> ignore_case(Runtime& runtime, const Value& value);

}  // namespace jang::text::jinja
