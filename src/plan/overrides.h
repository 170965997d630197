// SPDX-License-Identifier: Apache-2.0
// What --tensor asks for.
#pragma once

#include <string>
#include <string_view>

#include "jang/status.h"
#include "plan/plan.h"

namespace jang::plan {

struct Draft;
struct PlannedUnit;

// Parses "regex=bits[:group]". Errors: invalid_argument.
[[nodiscard]] Result<Override> parse_override(std::string_view text);
// A note on what --tensor did.
[[nodiscard]] std::string override_note(const PlannedUnit& unit);
// Sets PlannedUnit::override_ where patterns match. Errors: invalid_argument.
[[nodiscard]] Status resolve_overrides(Draft* draft);

}  // namespace jang::plan
