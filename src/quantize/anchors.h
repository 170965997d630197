// SPDX-License-Identifier: Apache-2.0
// Costs by the Fisher diagonal, corrected by what was measured. Formulas at costs.h.
#pragma once

#include "arch/arch.h"
#include "format/statistics.h"
#include "plan/plan.h"

namespace jang::quantize {

// D of every choice. `errors` and `fisher`: of quantize/measure.h. Units of `errors` that `fisher` does not hold are left out.
[[nodiscard]] plan::CostTable fisher_costs(const arch::Model& model, const plan::ErrorTable& errors, const plan::CostTable& fisher,
                                           const format::Statistics& statistics);

}  // namespace jang::quantize
