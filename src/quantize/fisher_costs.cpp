// SPDX-License-Identifier: Apache-2.0
// Costs from gradients, and the one number that anchors teach.
#include "quantize/fisher_costs.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <vector>

#include "arch/units.h"

namespace jang::quantize {
namespace {

constexpr double kMostLost = 0.9;  // relative error beyond which the growth of the cost is not believed
constexpr double kNoise = 1e-12;   // nats below which a promise is noise
constexpr int kAnchorBits = 4;     // where flips show best: below much is lost, above both are lost in rounding

// Is what the unit computes an input of its own layer's router?
bool before_router(arch::Role role) {
  switch (role) {
    case arch::Role::attn_q:
    case arch::Role::attn_k:
    case arch::Role::attn_v:
    case arch::Role::attn_o:
    case arch::Role::attn_qkv:
    case arch::Role::attn_gate:
    case arch::Role::linear_attn_qkv:
    case arch::Role::linear_attn_z:
    case arch::Role::linear_attn_ab:
    case arch::Role::linear_attn_out:
    case arch::Role::router: return true;
    default: return false;
  }
}

int count_behind(const arch::Unit& u, const std::set<int>& routers) {
  if (u.role == arch::Role::lm_head) return 0;
  const auto first = u.layer < 0 ? routers.begin() : before_router(u.role) ? routers.lower_bound(u.layer) : routers.upper_bound(u.layer);
  return static_cast<int>(std::distance(first, routers.end()));
}

}  // namespace

FisherCosts::FisherCosts(const arch::Model& model, const plan::ErrorTable& errors, const plan::CostTable& fisher,
                         const format::Statistics& statistics)
    : errors_(errors), fisher_(fisher) {
  std::set<int> routers;  // layers that have one
  for (const arch::OutTensor& t : model.tensors)
    if (t.role == arch::Role::router) routers.insert(t.layer);
  for (const arch::Unit& unit : arch::units_of(model))
    if (fisher.contains(unit.name) && errors.contains(unit.name)) behind_[unit.name] = count_behind(unit, routers);
  flips_ = learn_flips(statistics);
}

int FisherCosts::routers_behind(const std::string& unit) const {
  const auto at = behind_.find(unit);
  return at == behind_.end() ? 0 : at->second;
}

double FisherCosts::grown(const std::string& unit, plan::Choice choice) const {
  const double left = 1 - std::min(errors_.at(unit).at(choice), kMostLost);
  return fisher_.at(unit).at(choice) / (left * left * left);
}

// What a point has beyond its first term, over n sqrt(F); F is that of the nearest group, scaled to the point's error.
double FisherCosts::learn_flips(const format::Statistics& statistics) const {
  std::vector<double> found;
  for (const auto& [unit, points] : statistics.sensitivities) {
    const int n = routers_behind(unit);
    if (n == 0 || points.empty()) continue;
    const format::SensitivityPoint& point =
        *std::ranges::min_element(points, {}, [](const auto& p) { return std::abs(p.bits - kAnchorBits); });
    const plan::Choice* nearest = nullptr;
    for (const auto& [choice, divergence] : fisher_.at(unit))
      if (choice.bits == point.bits &&
          (nearest == nullptr || std::abs(choice.group_size - point.group_size) < std::abs(nearest->group_size - point.group_size)))
        nearest = &choice;
    if (nearest == nullptr || errors_.at(unit).at(*nearest) <= 0) continue;
    const double scale = point.error / errors_.at(unit).at(*nearest), promised = fisher_.at(unit).at(*nearest) * scale;
    if (promised < kNoise) continue;
    found.push_back(std::max(0.0, point.divergence - grown(unit, *nearest) * scale) / (n * std::sqrt(promised)));
  }
  if (found.empty()) return 0;
  const auto middle = found.begin() + static_cast<std::ptrdiff_t>(found.size() / 2);
  std::ranges::nth_element(found, middle);
  return *middle;
}

double FisherCosts::alone(const std::string& unit, plan::Choice choice) const {
  return grown(unit, choice) + flips_ * routers_behind(unit) * std::sqrt(fisher_.at(unit).at(choice));
}

double FisherCosts::together(const std::map<std::string, plan::Choice>& choices) const {
  double sum = 0;
  for (const auto& [unit, n] : behind_) {
    const auto choice = choices.find(unit);
    if (choice == choices.end()) continue;
    const auto cost = fisher_.at(unit).find(choice->second);
    if (cost != fisher_.at(unit).end()) sum += flips_ * flips_ * n * n * cost->second;
  }
  return std::sqrt(sum);
}

plan::CostTable FisherCosts::in_company(double together) const {
  plan::CostTable costs;
  for (const auto& [unit, n] : behind_)
    for (const auto& [choice, divergence] : fisher_.at(unit))
      if (errors_.at(unit).contains(choice))
        costs[unit][choice] = grown(unit, choice) + (together > 0 ? flips_ * flips_ * n * n * divergence / (2 * together) : 0.0);
  return costs;
}

}  // namespace jang::quantize
