// SPDX-License-Identifier: Apache-2.0
// Reports from what the layers below know. Inside src/api only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jang/plan.h"
#include "jang/report.h"
#include "plan/layout.h"
#include "plan/plan.h"

namespace jang {

// `errors` in the order of the model's tensors, or empty.
[[nodiscard]] ModelReport report_of(const arch::Model& model, const plan::Plan& plan, const plan::Sizes& sizes,
                                    const std::vector<std::optional<double>>& errors);
// The plan's own document with the errors of `report` filled in, as text. Precondition: `report` was made from this plan.
[[nodiscard]] std::string document_of(const arch::Model& model, const plan::Plan& plan, const ModelReport& report);
// The document of a plan with the member `target_changes`.
[[nodiscard]] std::string with_changes(const std::string& document, const TargetChanges& changes);

}  // namespace jang
