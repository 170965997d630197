// SPDX-License-Identifier: Apache-2.0
// obj[key], obj.name, obj[a:b:c]; undefined where there is nothing, as jinja has it.
#pragma once

#include <string_view>

#include "text/jinja/runtime/runtime.h"

namespace jang::text::jinja {

[[nodiscard]] Result<Value> get_item(Runtime& runtime, const Value& object, const Value& key);
[[nodiscard]] Result<Value> get_attribute(Runtime& runtime, const Value& object, std::string_view name);
[[nodiscard]] Result<Value> get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop, const Value& step);
// "a.0.b" as filters take it: a path of keys. An integer is one key. `fallback`, unless missing or None, takes the place of whatever is
// undefined on the way.
[[nodiscard]] Result<Value> get_path(Runtime& runtime, const Value& object, const Value& path, const Value& fallback = {});

}  // namespace jang::text::jinja
