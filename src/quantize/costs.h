// SPDX-License-Identifier: Apache-2.0
// What every choice is expected to cost in divergence, from measured sensitivities and measured errors. Pure.
//
// A unit's sensitivity is a curve, divergence over relative squared error: a power law fitted to the points measured at a few widths. Its
// exponent is near one, but not one: at two bits the divergence saturates. Single points are too noisy to be joined: a unit's divergence per
// unit of error may be off by a factor of two at one width, and a unit would be given too many bits or too few for it.
#pragma once

#include <map>
#include <span>
#include <string>

#include "arch/arch.h"
#include "format/statistics.h"
#include "plan/plan.h"

namespace jang::quantize {

struct Curve {
  double scale = 0, exponent = 1;
  // Divergence at relative squared error `error`.
  [[nodiscard]] double at(double error) const;
};

// Least squares on logarithmic axes; proportional to the error with one point, exponent kept within [1/2, 2]. `points`: at least one.
[[nodiscard]] Curve fit_curve(std::span<const format::SensitivityPoint> points);

// Costs of every unit and choice of `errors`. A unit that was not measured takes the curve of the nearest layer's unit of its role, scaled
// by its number of weights; a role never measured takes the prior, scaled to the measured units. `factors` (may be empty) multiply a
// unit's curve: what measuring around an allocation has taught.
[[nodiscard]] plan::CostTable expected_costs(const arch::Model& model, const plan::ErrorTable& errors, const format::Statistics& statistics,
                                             const std::map<std::string, double>& factors);

}  // namespace jang::quantize
