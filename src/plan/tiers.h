// SPDX-License-Identifier: Apache-2.0
// What a role means to the planner: its tier, its weight in a budget, its floor; and the prior error of a choice. Used by those who plan.
#pragma once

#include "arch/arch.h"
#include "arch/units.h"
#include "plan/plan.h"

namespace jang::plan {

// Tier of a tensor: keep when its module cannot be quantized. `is_moe`: the model has routed experts, so a dense MLP in it runs for every
// token and is CRITICAL.
[[nodiscard]] Tier tier_of(const arch::OutTensor& tensor, bool is_moe);
// Tier of a unit: the strongest of its tensors', keep when one of them is kept.
[[nodiscard]] Tier tier_of(const arch::Model& model, const arch::Unit& unit);
// False on an unknown name in a file.
[[nodiscard]] bool tier_from_string(std::string_view name, Tier* tier);

// Damage per parameter and unit of relative squared error, relative to a down projection of the same kind of model (the role prior).
[[nodiscard]] double role_factor(arch::Role role, bool is_moe);

// Least width of a role when expert floors are on; 0 = none.
[[nodiscard]] int expert_floor(arch::Role role);
[[nodiscard]] bool is_routed_expert(arch::Role role);

// Relative squared error of a choice on Gaussian weights; 0 when nothing is quantized.
[[nodiscard]] double gaussian_error(const Choice& choice, Method method);

}  // namespace jang::plan
