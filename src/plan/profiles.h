// SPDX-License-Identifier: Apache-2.0
// One profile as the planner sees it. Inside src/plan only; others see ProfileRow (plan.h).
#pragma once

#include <string_view>

#include "plan/plan.h"

namespace jang::plan {

enum class Kind : std::uint8_t { tiers, budget, uniform, mixed, automatic };

struct Profile {
  std::string_view name;
  Kind kind = Kind::tiers;
  int critical = 0, important = 0, compress = 0;  // tiers: widths; budget: lower bounds of the allocation
  int low = 0, high = 0;                          // uniform and budget: low = N; mixed: the two widths
  std::string_view summary;
};

// Row of a canonical name, or nullptr.
[[nodiscard]] const Profile* find_profile(std::string_view name);
[[nodiscard]] constexpr bool is_baseline(Kind kind) { return kind == Kind::uniform || kind == Kind::mixed; }
[[nodiscard]] constexpr bool has_budget(Kind kind) { return kind == Kind::budget || kind == Kind::automatic; }

}  // namespace jang::plan
