// SPDX-License-Identifier: Apache-2.0
// The planner's entry points. Pure functions: equal inputs give equal plans.
#pragma once

#include "arch/arch.h"
#include "jang/status.h"
#include "plan/plan.h"

namespace jang::plan {

// True when make_plan needs an ErrorTable for these options (profile "auto").
[[nodiscard]] bool needs_errors(const Options& options);

// Everything make_plan would refuse before it looks at errors: worth asking before a long measurement. Errors: invalid_argument,
// unsupported.
[[nodiscard]] Status check_options(const arch::Model& model, const Options& options);

// The plan. `errors` may be null unless needs_errors. `costs`, where given, decide in `auto` instead of errors and prior, and hold every
// unit that `errors` holds. Errors: invalid_argument (unknown profile, budget below the smallest possible bytes:
// says the smallest; an override that matches nothing, with the nearest name), unsupported.
[[nodiscard]] Result<Plan> make_plan(const arch::Model& model, const Options& options, const ErrorTable* errors = nullptr,
                                     const CostTable* costs = nullptr);

}  // namespace jang::plan
