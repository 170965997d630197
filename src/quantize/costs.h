// SPDX-License-Identifier: Apache-2.0
// What every choice is expected to cost in divergence, from measured sensitivities and measured errors. Pure.
//
// A unit's sensitivity is a curve, divergence over relative squared error, through the points measured at a few widths: straight between
// them on logarithmic axes, proportional to the error below and above them. A single slope would not do: at two bits the divergence
// saturates, and per unit of error it is 1 to 2.5 times larger at four.
#pragma once

#include <map>
#include <span>
#include <string>

#include "arch/arch.h"
#include "format/statistics.h"
#include "plan/plan.h"

namespace jang::quantize {

// Divergence at relative squared error `error`. `points`: at least one, by falling error.
[[nodiscard]] double predicted_divergence(std::span<const format::SensitivityPoint> points, double error);

// Costs of every unit and choice of `errors`. A unit that was not measured takes the curve of the nearest layer's unit of its role, scaled
// by its number of weights; a role never measured takes the prior, scaled to the measured units. `factors` (may be empty) multiply a
// unit's curve: what measuring around an allocation has taught.
[[nodiscard]] plan::CostTable expected_costs(const arch::Model& model, const plan::ErrorTable& errors, const format::Statistics& statistics,
                                             const std::map<std::string, double>& factors);

}  // namespace jang::quantize
