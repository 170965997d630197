// SPDX-License-Identifier: Apache-2.0
// A plan as a document.
#pragma once

#include "arch/arch.h"
#include "jang/status.h"
#include "json/json.h"
#include "plan/plan.h"

namespace jang::plan {

// Plan <-> JSON (`jang plan --json`, `convert --plan`). The file is untrusted: every tensor must exist in the model with the same shape,
// bits and groups must be codec widths. Errors: corrupt, not_found.
[[nodiscard]] json::Value to_json(const arch::Model& model, const Plan& plan);
[[nodiscard]] Result<Plan> from_json(const arch::Model& model, const json::Value& document);

}  // namespace jang::plan
