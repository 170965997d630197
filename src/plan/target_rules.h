// SPDX-License-Identifier: Apache-2.0
// What the loaders of a target ask of every plan (targets::Rules): adapted where that is cheap, refused by name where it is not.
#pragma once

#include "plan/draft.h"
#include "plan/plan.h"

namespace jang::plan {

// The options with the target's group where none was asked for: the largest up to it that divides the inputs of everything it can pack.
[[nodiscard]] Options with_group_of_target(const arch::Model& model, const Options& options);
// The least width that the target allows for at least so many bits; 0 where there is none.
[[nodiscard]] int allowed_width(const targets::Rules& rules, int bits);
// Whether the target stores scales of that type. Errors: invalid_argument.
[[nodiscard]] Status check_params(const targets::Target& target, DType params);
// Before anything is measured. Errors: invalid_argument (scales; a profile that cannot come out as the target wants it, with those that
// can).
[[nodiscard]] Status check_profile(const Draft& draft);
// Errors: invalid_argument (a width, or different choices, which names two modules).
[[nodiscard]] Status check_choices(const arch::Model& model, const Plan& plan);

}  // namespace jang::plan
