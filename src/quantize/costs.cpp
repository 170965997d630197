// SPDX-License-Identifier: Apache-2.0
// Sensitivity curves and the units that borrow one.
#include "quantize/costs.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <vector>

#include "plan/tiers.h"

namespace jang::quantize {
namespace {

constexpr double kTiny = 1e-12;  // nats and relative errors below this are noise
constexpr double kLeastExponent = 0.5, kMostExponent = 2.0;

struct UnitFacts {
  arch::Role role = arch::Role::unknown;
  int layer = -1;
  double params = 0, prior = 0;
  const std::vector<format::SensitivityPoint>* points = nullptr;  // null: not measured
  Curve curve;                                                    // through them
};

std::map<std::string, UnitFacts> unit_facts(const arch::Model& model, const format::Statistics& statistics) {
  std::map<std::string, UnitFacts> units;
  for (const arch::OutTensor& t : model.tensors) {
    if (!t.quantizable) continue;
    UnitFacts& u = units[t.unit];
    const double n = static_cast<double>(elements(t.shape));
    u.role = t.role;
    u.layer = t.layer;
    u.params += n;
    u.prior += n * plan::role_factor(t.role, model.n_experts > 0);
    const auto found = statistics.sensitivities.find(t.unit);
    if (found != statistics.sensitivities.end() && !found->second.empty() && !u.points) {
      u.points = &found->second;
      u.curve = fit_curve(found->second);
    }
  }
  return units;
}

// Nearest measured unit of the same role; the earlier layer at equal distance.
const UnitFacts* nearest(const std::map<std::string, UnitFacts>& units, const UnitFacts& u) {
  const UnitFacts* best = nullptr;
  for (const auto& [name, other] : units) {
    if (!other.points || other.role != u.role) continue;
    const auto key = [&](const UnitFacts& f) { return std::pair(std::abs(f.layer - u.layer), f.layer); };
    if (!best || key(other) < key(*best)) best = &other;
  }
  return best;
}

// Median over measured units of divergence per unit of error and of prior: brings the prior to nats.
double prior_scale(const std::map<std::string, UnitFacts>& units) {
  std::vector<double> ratios;
  for (const auto& [name, u] : units) {
    if (!u.points || u.prior <= 0) continue;
    const format::SensitivityPoint& p = u.points->back();
    if (p.error > kTiny) ratios.push_back(p.divergence / p.error / u.prior);
  }
  if (ratios.empty()) return 1.0;
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return std::max(*middle, kTiny);
}

}  // namespace

double Curve::at(double error) const { return error > 0 ? scale * std::pow(error, exponent) : 0.0; }

Curve fit_curve(std::span<const format::SensitivityPoint> points) {
  const double n = static_cast<double>(points.size());
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  const auto x = [](const format::SensitivityPoint& p) { return std::log(std::max(p.error, kTiny)); };
  const auto y = [](const format::SensitivityPoint& p) { return std::log(std::max(p.divergence, kTiny)); };
  for (const format::SensitivityPoint& p : points) {
    mean_x += x(p) / n;
    mean_y += y(p) / n;
  }
  for (const format::SensitivityPoint& p : points) {
    xx += (x(p) - mean_x) * (x(p) - mean_x);
    xy += (x(p) - mean_x) * (y(p) - mean_y);
  }
  const double exponent = xx > kTiny ? std::clamp(xy / xx, kLeastExponent, kMostExponent) : 1.0;
  return {std::exp(mean_y - exponent * mean_x), exponent};
}

plan::CostTable expected_costs(const arch::Model& model, const plan::ErrorTable& errors, const format::Statistics& statistics,
                               const std::map<std::string, double>& factors) {
  const std::map<std::string, UnitFacts> units = unit_facts(model, statistics);
  const double scale = prior_scale(units);
  plan::CostTable costs;
  for (const auto& [name, choices] : errors) {
    const auto at = units.find(name);
    if (at == units.end()) continue;
    const UnitFacts& u = at->second;
    const UnitFacts* like = u.points ? &u : nearest(units, u);
    const auto factor = factors.find(name);
    const double times = (factor == factors.end() ? 1.0 : factor->second) * (like && like->params > 0 ? u.params / like->params : 1.0);
    for (const auto& [choice, error] : choices)
      costs[name][choice] = times * (like ? like->curve.at(error) : error * u.prior * scale);
  }
  return costs;
}

}  // namespace jang::quantize
