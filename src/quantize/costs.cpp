// SPDX-License-Identifier: Apache-2.0
// Sensitivity curves, the units that borrow one, and the plan that agrees with the company it assumes.
#include "quantize/costs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "arch/units.h"
#include "plan/make_plan.h"
#include "plan/tiers.h"
#include "quantize/fisher_costs.h"

namespace jang::quantize {
namespace {

constexpr double kTiny = 1e-12;  // nats and relative errors below this are noise
// A point's divergence counts as at least this part of what the largest one promises for it: measured zeros are noise.
constexpr double kLeastPart = 0.01;
constexpr int kCompanyRounds = 4;  // the roots settle within 1 % in two or three

struct UnitFacts {
  arch::Unit unit;
  double prior = 0;
  const std::vector<format::SensitivityPoint>* points = nullptr;  // null: not measured
  Curve curve;                                                    // through them
};

// Divides the measured curves of one role by a power of their ratio to the role's mean curve; their geometric mean stays.
void even_out_role(const std::vector<UnitFacts*>& units, double evenness) {
  const double n = static_cast<double>(units.size());
  Curve mean;
  for (const UnitFacts* u : units) {
    mean.root += u->curve.root / n;
    mean.linear += u->curve.linear / n;
    mean.square += u->curve.square / n;
  }
  std::vector<double> logs;  // of the ratio, mean over the unit's points
  double middle = 0;
  for (const UnitFacts* u : units) {
    double sum = 0;
    for (const format::SensitivityPoint& p : *u->points)
      sum += std::log(std::max(u->curve.alone(p.error), kTiny) / std::max(mean.alone(p.error), kTiny));
    logs.push_back(sum / static_cast<double>(u->points->size()));
    middle += logs.back() / n;
  }
  for (std::size_t i = 0; i < units.size(); ++i) {
    const double factor = std::exp(evenness * (middle - logs[i]));
    Curve& c = units[i]->curve;
    c = {c.root * factor, c.linear * factor, c.square * factor};
  }
}

void even_out(std::map<std::string, UnitFacts>* units, double evenness) {
  std::map<arch::Role, std::vector<UnitFacts*>> by_role;
  for (auto& [name, u] : *units)
    if (u.points) by_role[u.unit.role].push_back(&u);
  for (const auto& [role, list] : by_role) even_out_role(list, evenness);
}

std::map<std::string, UnitFacts> unit_facts(const arch::Model& model, const format::Statistics& statistics, double evenness) {
  std::map<std::string, UnitFacts> units;
  for (arch::Unit& unit : arch::units_of(model)) {
    UnitFacts& u = units[unit.name];
    u.unit = std::move(unit);
    for (const int i : u.unit.tensors) {
      const arch::OutTensor& t = model.tensors[static_cast<std::size_t>(i)];
      u.prior += static_cast<double>(elements(t.shape)) * plan::role_factor(t.role, model.n_experts > 0);
    }
    const auto found = statistics.sensitivities.find(u.unit.name);
    if (found == statistics.sensitivities.end() || found->second.empty()) continue;
    u.points = &found->second;
    u.curve = fit_curve(found->second);
  }
  if (evenness > 0) even_out(&units, evenness);
  return units;
}

// Nearest measured unit of the same role; the earlier layer at equal distance.
const UnitFacts* nearest(const std::map<std::string, UnitFacts>& units, const UnitFacts& u) {
  const UnitFacts* best = nullptr;
  for (const auto& [name, other] : units) {
    if (!other.points || other.unit.role != u.unit.role) continue;
    const auto key = [&](const UnitFacts& f) { return std::pair(std::abs(f.unit.layer - u.unit.layer), f.unit.layer); };
    if (!best || key(other) < key(*best)) best = &other;
  }
  return best;
}

// Median over measured units of divergence per unit of error and of prior: brings the prior to nats.
double prior_scale(const std::map<std::string, UnitFacts>& units) {
  std::vector<double> ratios;
  for (const auto& [name, u] : units) {
    if (!u.points || u.prior <= 0) continue;
    const format::SensitivityPoint& p = (*u.points)[u.points->size() / 2];
    if (p.error > kTiny) ratios.push_back(p.divergence / p.error / u.prior);
  }
  if (ratios.empty()) return 1.0;
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return std::max(*middle, kTiny);
}

// A unit's costs as a function of its error: its own curve or a borrowed one.
struct UnitCosts {
  const Curve* curve = nullptr;  // null: the prior
  double times = 1, prior = 0;
};

double cost(const UnitCosts& u, double error, double roots) {
  return u.times * (u.curve ? u.curve->in_company(error, roots) : error * u.prior);
}

std::map<std::string, UnitCosts> unit_costs(const std::map<std::string, UnitFacts>& units, const plan::ErrorTable& errors,
                                            const std::map<std::string, double>& factors) {
  const double scale = prior_scale(units);
  std::map<std::string, UnitCosts> costs;
  for (const auto& [name, choices] : errors) {
    const auto at = units.find(name);
    if (at == units.end()) continue;
    const UnitFacts& u = at->second;
    const UnitFacts* like = u.points ? &u : nearest(units, u);
    const auto factor = factors.find(name);
    UnitCosts& c = costs[name];
    c.curve = like ? &like->curve : nullptr;
    c.times = (factor == factors.end() ? 1.0 : factor->second) *
              (like && like->unit.params > 0 ? static_cast<double>(u.unit.params) / static_cast<double>(like->unit.params) : 1.0);
    c.prior = u.prior * scale;
  }
  return costs;
}

// The least squares fit of relative deviations with the terms of `mask`: bit 0 root, 1 linear, 2 square. False where it has none, or a
// negative term; else `squares` is what is left.
bool fit_terms(std::span<const std::array<double, 3>> rows, unsigned mask, std::array<double, 3>* fit, double* squares) {
  std::array<std::size_t, 3> terms{};
  std::size_t n = 0;
  for (std::size_t t = 0; t < 3; ++t)
    if (mask >> t & 1u) terms[n++] = t;
  std::array<std::array<double, 4>, 3> m{};  // normal equations
  for (const std::array<double, 3>& row : rows)
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) m[i][j] += row[terms[i]] * row[terms[j]];
      m[i][3] += row[terms[i]];
    }
  for (std::size_t k = 0; k < n; ++k) {  // positive definite: no pivoting
    if (!(m[k][k] > kTiny)) return false;
    for (std::size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double times = m[i][k] / m[k][k];
      for (std::size_t j = 0; j < 4; ++j) m[i][j] -= times * m[k][j];
    }
  }
  *fit = {};
  for (std::size_t k = 0; k < n; ++k) {
    (*fit)[terms[k]] = m[k][3] / m[k][k];
    if (!((*fit)[terms[k]] >= 0)) return false;
  }
  *squares = 0;
  for (const std::array<double, 3>& row : rows) {
    const double off = 1 - row[0] * (*fit)[0] - row[1] * (*fit)[1] - row[2] * (*fit)[2];
    *squares += off * off;
  }
  return true;
}

// The choice of every unit whose error is the median: what to begin with.
std::map<std::string, plan::Choice> middle_choices(const plan::ErrorTable& errors) {
  std::map<std::string, plan::Choice> chosen;
  for (const auto& [unit, choices] : errors) {
    std::vector<std::pair<double, plan::Choice>> sorted;
    for (const auto& [choice, error] : choices) sorted.emplace_back(error, choice);
    std::ranges::sort(sorted, {}, [](const auto& c) { return c.first; });
    if (!sorted.empty()) chosen[unit] = sorted[sorted.size() / 2].second;
  }
  return chosen;
}

Result<ExpectedPlan> plan_by_gradients(const arch::Model& model, const plan::Options& options, const plan::ErrorTable& errors,
                                       const plan::CostTable& fisher, const format::Statistics& statistics,
                                       const std::map<std::string, double>& factors) {
  const FisherCosts known(model, errors, fisher, statistics);
  double together = known.together(middle_choices(errors));
  for (int round = 1;; ++round) {
    plan::CostTable costs = known.in_company(together);
    for (auto& [unit, choices] : costs)
      if (const auto factor = factors.find(unit); factor != factors.end())
        for (auto& [choice, cost] : choices) cost *= factor->second;
    JANG_ASSIGN(plan::Plan plan, plan::make_plan(model, options, &errors, &costs));
    if (round == kCompanyRounds || together == 0) return ExpectedPlan{std::move(plan), std::move(costs)};
    together = known.together(plan::choices_by_unit(model, plan));
  }
}

}  // namespace

double Curve::alone(double error) const { return root * std::sqrt(error) + linear * error + square * error * error; }

double Curve::in_company(double error, double roots) const {
  return (linear + (roots > 0 ? root * root / (2 * roots) : 0.0)) * error + square * error * error;
}

Curve fit_curve(std::span<const format::SensitivityPoint> points) {
  double largest = kTiny, its_error = 1;
  for (const format::SensitivityPoint& p : points)
    if (p.divergence > largest) {
      largest = p.divergence;
      its_error = std::max(p.error, kTiny);
    }
  std::vector<std::array<double, 3>> rows;  // terms, in units of the largest error, over the point's divergence
  for (const format::SensitivityPoint& p : points) {
    const double e = std::max(p.error, kTiny) / its_error;
    const double d = std::max(p.divergence, kLeastPart * largest * std::min(e, 1.0));
    rows.push_back({std::sqrt(e) / d * largest, e / d * largest, e * e / d * largest});
  }
  std::array<double, 3> best{0, 1, 0}, fit{};
  double least = 0, squares = 0;
  if (fit_terms(rows, 2u, &fit, &least)) best = fit;
  if (points.size() > 1)
    for (const unsigned mask : {1u, 4u, 3u, 5u, 6u, 7u}) {
      const auto n = static_cast<std::size_t>(std::popcount(mask));
      if (n > points.size() || !fit_terms(rows, mask, &fit, &squares) || squares >= least) continue;
      best = fit;
      least = squares;
    }
  return {best[0] * largest / std::sqrt(its_error), best[1] * largest / its_error, best[2] * largest / its_error / its_error};
}

Result<ExpectedPlan> plan_by_sensitivity(const arch::Model& model, const plan::Options& options, const plan::ErrorTable& errors,
                                         const format::Statistics& statistics, const std::map<std::string, double>& factors,
                                         double evenness, const plan::CostTable& fisher) {
  const auto known = [&](const auto& unit) { return fisher.contains(unit.first); };
  if (!errors.empty() && std::ranges::all_of(errors, known)) return plan_by_gradients(model, options, errors, fisher, statistics, factors);
  const std::map<std::string, UnitFacts> units = unit_facts(model, statistics, evenness);
  const std::map<std::string, UnitCosts> by_unit = unit_costs(units, errors, factors);
  // The roots' part of the whole, of the units stored with the errors that error_of(unit, choices) picks.
  const auto roots_of = [&](const auto& error_of) {
    double sum = 0;
    for (const auto& [name, u] : by_unit)
      if (u.curve) sum += u.times * u.curve->root * u.curve->root * error_of(name, errors.at(name));
    return std::sqrt(sum);
  };
  double roots = roots_of([](const std::string&, const auto& choices) {  // to begin with: the middle choice of every unit
    std::vector<double> e;
    for (const auto& [choice, error] : choices) e.push_back(error);
    const auto middle = e.begin() + static_cast<std::ptrdiff_t>(e.size() / 2);
    std::nth_element(e.begin(), middle, e.end());
    return e.empty() ? 0.0 : *middle;
  });
  for (int round = 1;; ++round) {
    plan::CostTable costs;
    for (const auto& [name, u] : by_unit)
      for (const auto& [choice, error] : errors.at(name)) costs[name][choice] = cost(u, error, roots);
    JANG_ASSIGN(plan::Plan plan, plan::make_plan(model, options, &errors, &costs));
    if (round == kCompanyRounds || roots == 0) return ExpectedPlan{std::move(plan), std::move(costs)};
    const std::map<std::string, plan::Choice> chosen = plan::choices_by_unit(model, plan);
    roots = roots_of([&](const std::string& name, const auto& choices) {
      const auto choice = chosen.find(name);
      const auto error = choice == chosen.end() ? choices.end() : choices.find(choice->second);
      return error == choices.end() ? 0.0 : error->second;
    });
  }
}

}  // namespace jang::quantize
