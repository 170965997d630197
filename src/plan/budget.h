// SPDX-License-Identifier: Apache-2.0
// Plans that spend a number of bytes.
#pragma once

#include <vector>

#include "arch/arch.h"
#include "jang/status.h"
#include "plan/plan.h"

namespace jang::plan {

struct Draft;

// Choices `auto` considers for one tensor under these options; empty when it can only be kept. The measuring pass measures exactly these.
[[nodiscard]] std::vector<Choice> auto_choices(const arch::OutTensor& tensor, const Options& options);
// Decides every unit for the least expected damage within the bytes of the profile or the target. Errors: invalid_argument (no room: says
// the smallest).
[[nodiscard]] Status spend_budget(Draft* draft, const ErrorTable* errors, const CostTable* costs);

}  // namespace jang::plan
