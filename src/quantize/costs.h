// SPDX-License-Identifier: Apache-2.0
// What every choice is expected to cost in divergence, from gradients or measured sensitivities, and measured errors. Pure.
//
// Those of gradients are described in fisher_costs.h. Without gradients there are measured curves.
// A unit's sensitivity is a curve, divergence D over relative squared error e, fitted to the points measured at a few widths:
//
//   D(e) = root * sqrt(e) + linear * e + square * e^2, no term negative
//
// The linear term is what small changes of smooth functions cost, the square one that it gets worse when much is lost. The root is what
// routers do: any small change before them sends some tokens to other experts, at a rate that goes with the size of the change, not its
// square. Changes of many units meet in the same router, so that part of the whole is sqrt(sum of root^2 * e) over the units, not a sum: a
// unit adds root^2 * e / (2 * that) to it. Measured alone, a unit seems to cost far more at high widths than it does in company.
#pragma once

#include <map>
#include <span>
#include <string>

#include "arch/arch.h"
#include "format/statistics.h"
#include "plan/plan.h"

namespace jang::quantize {

struct Curve {
  double root = 0, linear = 0, square = 0;
  // Divergence with this unit alone at relative squared error `error`.
  [[nodiscard]] double alone(double error) const;
  // Its part of the divergence where the roots of all units together come to `roots`; 0: no roots.
  [[nodiscard]] double in_company(double error, double roots) const;
};

// Least squares of relative deviations. Proportional to the error with one point. `points`: at least one.
[[nodiscard]] Curve fit_curve(std::span<const format::SensitivityPoint> points);

// A plan of least expected divergence and what it expects: costs of every unit and choice of `errors`, in company of the plan's choices.
struct ExpectedPlan {
  plan::Plan plan;
  plan::CostTable costs;
};

// A unit that was not measured takes the curve of the nearest layer's unit of its role, scaled by its number of weights; a role never
// measured takes the prior, scaled to the measured units. `factors` (may be empty) multiply a unit's costs: what measuring around an
// allocation has taught. `evenness` takes the measured layers of a role to be more alike than they were alone: 0 as measured, 1 all equal
// but for their errors. `fisher`: where it holds all units of `errors`, its costs stand in for curves; `evenness` then has no effect.
// Errors: those of plan::make_plan.
[[nodiscard]] Result<ExpectedPlan> plan_by_sensitivity(const arch::Model& model, const plan::Options& options,
                                                       const plan::ErrorTable& errors, const format::Statistics& statistics,
                                                       const std::map<std::string, double>& factors, double evenness = 0,
                                                       const plan::CostTable& fisher = {});

}  // namespace jang::quantize
