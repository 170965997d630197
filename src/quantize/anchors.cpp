// SPDX-License-Identifier: Apache-2.0
// Costs from gradients, and the factors that anchors teach.
#include "quantize/anchors.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace jang::quantize {
namespace {

constexpr double kMostLost = 0.9;  // relative error beyond which the growth of the cost is not believed
constexpr double kTiny = 1e-12;    // nats below which a measurement or a promise is noise

double grown(double divergence, double error) {
  const double left = 1 - std::min(error, kMostLost);
  return divergence / (left * left * left);
}

// Logarithm of measured over promised, by width.
using LogFactors = std::map<int, double>;

// What the costs of a unit promise for a measured point: those of the same width and the nearest group, scaled to the point's error.
double promised(const std::map<plan::Choice, double>& costs, const std::map<plan::Choice, double>& errors,
                const format::SensitivityPoint& point) {
  const auto distance = [&](const plan::Choice& c) { return std::abs(c.group_size - point.group_size); };
  const plan::Choice* nearest = nullptr;
  for (const auto& [choice, cost] : costs)
    if (choice.bits == point.bits && (nearest == nullptr || distance(choice) < distance(*nearest))) nearest = &choice;
  if (nearest == nullptr || errors.at(*nearest) <= 0) return 0;
  return costs.at(*nearest) * point.error / errors.at(*nearest);
}

LogFactors factors_of(const std::map<plan::Choice, double>& costs, const std::map<plan::Choice, double>& errors,
                      const std::vector<format::SensitivityPoint>& points) {
  LogFactors factors;
  for (const format::SensitivityPoint& p : points)
    if (const double cost = promised(costs, errors, p); cost > kTiny && p.divergence > kTiny)
      factors[p.bits] = std::log(p.divergence / cost);
  return factors;
}

// Straight between widths, constant beyond them.
double at_width(const LogFactors& factors, int bits) {
  const auto above = factors.lower_bound(bits);
  if (above == factors.end()) return std::prev(above)->second;
  if (above == factors.begin() || above->first == bits) return above->second;
  const auto below = std::prev(above);
  return below->second + (above->second - below->second) * (bits - below->first) / (above->first - below->first);
}

LogFactors mean_of(const std::vector<LogFactors>& all) {
  std::map<int, std::pair<double, int>> sums;
  for (const LogFactors& factors : all)
    for (const auto& [bits, factor] : factors) {
      sums[bits].first += factor;
      ++sums[bits].second;
    }
  LogFactors mean;
  for (const auto& [bits, sum] : sums) mean[bits] = sum.first / sum.second;
  return mean;
}

}  // namespace

plan::CostTable fisher_costs(const arch::Model& model, const plan::ErrorTable& errors, const plan::CostTable& fisher,
                             const format::Statistics& statistics) {
  plan::CostTable costs;
  for (const auto& [unit, choices] : errors) {
    const auto known = fisher.find(unit);
    if (known == fisher.end()) continue;
    for (const auto& [choice, error] : choices)
      if (const auto at = known->second.find(choice); at != known->second.end()) costs[unit][choice] = grown(at->second, error);
  }
  std::map<std::string, LogFactors> own;  // of units that were measured
  std::map<std::string, arch::Role> roles;
  std::map<arch::Role, std::vector<LogFactors>> by_role;
  for (const arch::OutTensor& t : model.tensors)
    if (t.quantizable) roles.emplace(t.unit, t.role);
  for (const auto& [unit, points] : statistics.sensitivities) {
    const auto choices = costs.find(unit);
    if (choices == costs.end() || !roles.contains(unit)) continue;
    const LogFactors factors = factors_of(choices->second, errors.at(unit), points);
    if (factors.empty()) continue;
    own.emplace(unit, factors);
    by_role[roles.at(unit)].push_back(factors);
  }
  for (auto& [unit, choices] : costs) {
    LogFactors factors;
    if (const auto at = own.find(unit); at != own.end())
      factors = at->second;
    else if (const auto role = roles.find(unit); role != roles.end() && by_role.contains(role->second))
      factors = mean_of(by_role.at(role->second));
    if (factors.empty()) continue;
    for (auto& [choice, cost] : choices) cost *= std::exp(at_width(factors, choice.bits));
  }
  return costs;
}

}  // namespace jang::quantize
