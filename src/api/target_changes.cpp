// SPDX-License-Identifier: Apache-2.0
// See the header. Tensors of both plans are matched by their canonical names.
#include "api/target_changes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "arch/units.h"
#include "plan/layout.h"
#include "plan/tiers.h"
#include "quantize/fisher_costs.h"
#include "quantize/measure.h"

namespace jang {
namespace {

std::string text_of(plan::Choice choice) {
  return choice.bits == 0 ? "16 bits" : fmt::format("{} bits, group {}", choice.bits, choice.group_size);
}

std::string reason_of(const arch::OutTensor& tensor, const plan::TensorPlan& planned) {
  if (!tensor.kept.empty()) return tensor.kept;
  const std::string rule = tensor.rule + "; ";  // of the role, which is not what changed
  return planned.reason.starts_with(rule) ? planned.reason.substr(rule.size()) : planned.reason;
}

std::uint64_t bytes_of(const arch::Model& model, const plan::Plan& plan) { return plan::make_layout(model, plan).file_bytes; }

// Routers that a baseline packs: their errors are not measured.
std::set<std::string> never_measured(const arch::Model& model) {
  std::set<std::string> units;
  for (const arch::Unit& unit : arch::units_of(model))
    if (plan::tier_of(model, unit) == plan::Tier::keep) units.insert(unit.name);
  return units;
}

// The divergence that gradients promise; none where they do not know all that is packed.
Result<std::optional<double>> expected(const quantize::Source& source, const plan::Plan& plan, const plan::Options& options,
                                       const quantize::RunOptions& run) {
  if (run.statistics == nullptr || run.statistics->fisher.empty()) return std::optional<double>();
  const std::map<std::string, plan::Choice> choices = plan::choices_by_unit(source.model, plan);
  std::set<int> groups;
  for (const auto& [unit, choice] : choices)
    if (choice.bits != 0) groups.insert(choice.group_size);
  plan::CostTable fisher;
  plan::ErrorTable errors;
  for (const int group : groups) {  // all widths are measured at one group at a time
    plan::Options measured = options;
    measured.group_size = group;
    plan::CostTable more_fisher;
    JANG_ASSIGN(const plan::ErrorTable more, quantize::measure_errors(source, measured, plan.dtype, run, &more_fisher));
    for (const auto& [unit, by_choice] : more) errors[unit].insert(by_choice.begin(), by_choice.end());
    for (const auto& [unit, by_choice] : more_fisher) fisher[unit].insert(by_choice.begin(), by_choice.end());
  }
  const quantize::FisherCosts costs(source.model, errors, fisher, *run.statistics);
  const plan::CostTable alone = costs.in_company(0);
  const std::set<std::string> left_out = never_measured(source.model);
  double sum = costs.together(choices);
  for (const auto& [unit, choice] : choices) {
    if (choice.bits == 0 || left_out.contains(unit)) continue;
    const auto known = alone.find(unit);
    if (known == alone.end()) return std::optional<double>();
    const auto cost = known->second.find(choice);
    if (cost == known->second.end()) return std::optional<double>();
    sum += cost->second;
  }
  return std::optional(sum);
}

}  // namespace

Result<TargetChanges> target_changes(const quantize::Source& source, const plan::Plan& plan, const plan::Options& options,
                                     const quantize::RunOptions& given) {
  quantize::RunOptions run = given;
  run.observer = nullptr;  // its warnings are of a plan that nobody asked for
  JANG_ASSIGN(const quantize::Source other, quantize::open_source(source.checkpoint.path(), {.lenient = true}));
  plan::Options same = options;
  same.target = other.target;
  JANG_ASSIGN(const plan::Plan beside, quantize::plan_source(other, same, "", run));
  std::map<std::string, plan::Choice> before;
  for (const plan::TensorPlan& t : beside.tensors) before[other.model.tensors[static_cast<std::size_t>(t.tensor)].canonical] = t.choice;
  TargetChanges changes;
  changes.target = plan.target->name();
  for (const plan::TensorPlan& t : plan.tensors) {
    const arch::OutTensor& tensor = source.model.tensors[static_cast<std::size_t>(t.tensor)];
    const auto was = before.find(tensor.canonical);
    if (was == before.end() || was->second == t.choice) continue;
    const std::string from = text_of(was->second), to = text_of(t.choice);
    auto row = std::ranges::find_if(changes.rows, [&](const auto& r) { return r.mlx == from && r.target == to; });
    if (row == changes.rows.end()) row = changes.rows.insert(row, {from, to, reason_of(tensor, t), {}});
    row->modules.push_back(tensor.canonical);
  }
  changes.mlx_file_bytes = bytes_of(other.model, beside);
  changes.file_bytes = bytes_of(source.model, plan);
  JANG_ASSIGN(changes.mlx_divergence, expected(other, beside, same, run));
  JANG_ASSIGN(changes.divergence, expected(source, plan, options, run));
  if (!changes.mlx_divergence || !changes.divergence) changes.mlx_divergence = changes.divergence = std::nullopt;
  return changes;
}

}  // namespace jang
