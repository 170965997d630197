// SPDX-License-Identifier: Apache-2.0
// Plans by mlx-lm's own recipes.
#pragma once

#include <vector>

#include "arch/arch.h"
#include "jang/status.h"
#include "plan/plan.h"
#include "plan/profiles.h"

namespace jang::plan {

struct Draft;

// Choice of every tensor under the recipe, in the order of Model::tensors. Errors: unsupported where mlx-lm itself fails.
[[nodiscard]] Result<std::vector<Choice>> recipe_choices(const arch::Model& model, const Profile& profile, int group_size);

// Decides every tensor of the draft by the recipe of its profile. Errors: those of recipe_choices.
[[nodiscard]] Status assign_recipe(Draft* draft);

}  // namespace jang::plan
