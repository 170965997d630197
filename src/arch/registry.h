// SPDX-License-Identifier: Apache-2.0
// The families that exist; each is defined in the file of its name and listed once in registry.cpp.
#pragma once

#include <string_view>
#include <vector>

#include "arch/family.h"
#include "json/json.h"

namespace jang::arch {

// Null when nobody listed the type.
[[nodiscard]] const Family* find_family(std::string_view model_type);

// The same of a config: a wrapper whose text_config is of another type than the family knows is nobody's.
[[nodiscard]] const Family* family_of(const json::Value& config);

// Families in the registry, for `jang version` and docs: {"llama", "mistral", ...}.
[[nodiscard]] std::vector<std::string_view> families();

}  // namespace jang::arch
