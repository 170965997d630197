// SPDX-License-Identifier: Apache-2.0
// Python's arithmetic on values. Errors: corrupt where Python raises, invalid_argument for integers beyond 64 bits.
#pragma once

#include <cstdint>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

enum class Operator : std::uint8_t { add, subtract, multiply, divide, floor_divide, modulo };
[[nodiscard]] Result<Value> arithmetic(Runtime& runtime, Operator op, const Value& a, const Value& b);
[[nodiscard]] Result<Value> negate(const Value& value);
[[nodiscard]] Result<Value> plus(const Value& value);

}  // namespace jang::text::jinja
