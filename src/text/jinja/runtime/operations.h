// SPDX-License-Identifier: Apache-2.0
// Truth, equality, order, membership, iteration and length, as Python defines them. Errors: corrupt where Python raises, invalid_argument
// for limits.
#pragma once

#include <cstdint>
#include <string_view>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

[[nodiscard]] bool truth(const Value& value);
[[nodiscard]] Result<bool> equals(Runtime& runtime, const Value& a, const Value& b);
enum class Order : std::uint8_t { less, equal, greater, unordered };
[[nodiscard]] Result<Order> compare(Runtime& runtime, const Value& a, const Value& b, std::string_view operation = "<");
[[nodiscard]] Result<bool> contains(Runtime& runtime, const Value& container, const Value& item);
[[nodiscard]] Result<Values> iterate(Runtime& runtime, const Value& value);  // the items of `for x in value`, as a list
[[nodiscard]] bool is_iterable(const Value& value);
[[nodiscard]] Result<std::int64_t> length(const Value& value);  // len()
[[nodiscard]] bool has_length(const Value& value);

// Entry of a key of any kind; nullptr when absent. Errors: corrupt for a key that cannot be one (list, dict).
[[nodiscard]] Result<const Value*> find_key(Runtime& runtime, const DictData& dict, const Value& key);

}  // namespace jang::text::jinja
