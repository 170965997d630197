// SPDX-License-Identifier: Apache-2.0
// The planner's entry points: which way a profile is decided, and what can be refused before anything is measured.
#include "plan/make_plan.h"

#include <fmt/format.h>

#include "base/check.h"
#include "format/targets/target.h"
#include "plan/assign.h"
#include "plan/budget.h"
#include "plan/draft.h"
#include "plan/recipes.h"
#include "plan/target_rules.h"

namespace jang::plan {
namespace {

Status check_target(const Draft& d) {
  const bool has_target = d.options->target_bpw || d.options->target_bytes;
  if (d.profile->kind == Kind::automatic) {
    if (!has_target)
      return {StatusCode::invalid_argument, "profile auto spends what you allow: give --bpw (stored bits per weight) or --size"};
    if (d.options->target_bpw && d.options->target_bytes) return {StatusCode::invalid_argument, "give --bpw or --size, not both"};
    if (d.options->target_bpw && !(*d.options->target_bpw > 0 && *d.options->target_bpw <= 64))
      return {StatusCode::invalid_argument, "--bpw must be above 0 and at most 64"};
    return {};
  }
  if (has_target)
    return {StatusCode::invalid_argument,
            "--bpw and --size belong to profile auto, " + std::string(d.profile->name) + " has its own widths"};
  return {};
}

// Recipes decide module by module, which the loaders of some targets refuse.
Status check_fused(const Draft& d) {
  for (const PlannedUnit& u : d.units)
    for (const int i : u.unit.tensors) {
      const arch::OutTensor &t = d.tensor(i), &first = d.tensor(u.unit.tensors.front());
      if (d.plan.tensors[static_cast<std::size_t>(i)].choice == d.plan.tensors[static_cast<std::size_t>(u.unit.tensors.front())].choice)
        continue;
      return {StatusCode::invalid_argument,
              fmt::format("{} gives {} and {} different widths, and {} wants one for both; choose another profile", d.profile->name,
                          first.module, t.module, d.plan.target->loader())};
    }
  return {};
}

Result<Draft> start_checked(const arch::Model& model, const Options& options) {
  JANG_ASSIGN(Draft d, start_draft(model, options));
  JANG_TRY(check_target(d));
  JANG_TRY(check_profile(d));
  return d;
}

}  // namespace

bool needs_errors(const Options& options) {
  const auto name = canonical_profile(options.profile);
  return name.ok() && find_profile(*name)->kind == Kind::automatic;
}

Status check_options(const arch::Model& model, const Options& options) {
  if (needs_errors(options)) return start_checked(model, with_group_of_target(model, options)).status();
  return make_plan(model, options).status();
}

Result<Plan> make_plan(const arch::Model& model, const Options& asked, const ErrorTable* errors, const CostTable* costs) {
  const Options options = with_group_of_target(model, asked);
  JANG_ASSIGN(Draft d, start_checked(model, options));
  switch (d.profile->kind) {
    case Kind::tiers: assign_tiers(&d); break;
    case Kind::uniform:
    case Kind::mixed:
      JANG_TRY(assign_recipe(&d));
      if (d.plan.target->keeps_units()) JANG_TRY(check_fused(d));
      break;
    case Kind::budget:
    case Kind::automatic: JANG_TRY(spend_budget(&d, errors, costs)); break;
  }
  JANG_ASSIGN(Plan plan, finish_draft(std::move(d)));
  JANG_TRY(check_choices(model, plan));
  return plan;
}

}  // namespace jang::plan
