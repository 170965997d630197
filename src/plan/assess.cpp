// SPDX-License-Identifier: Apache-2.0
// Comparing a plan with what the other profiles would make of its bytes.
#include "plan/assess.h"

#include "codec/affine.h"
#include "plan/layout.h"
#include "plan/make_plan.h"
#include "plan/profiles.h"
#include "plan/tiers.h"

namespace jang::plan {

double expected_damage(const arch::Model& model, const Plan& plan) {
  double sum = 0;
  for (const TensorPlan& p : plan.tensors) {
    if (p.choice.bits == 0) continue;
    const arch::OutTensor& t = model.tensors[static_cast<std::size_t>(p.tensor)];
    sum += static_cast<double>(elements(t.shape)) * role_factor(t.role, model.n_experts > 0) * gaussian_error(p.choice, plan.method);
  }
  return sum;
}

std::optional<Better> better_profile(const arch::Model& model, const Plan& plan, const Options& options) {
  const double damage = expected_damage(model, plan);
  const std::uint64_t bytes = make_layout(model, plan).file_bytes;
  std::optional<Better> best;
  for (const ProfileRow& row : profiles()) {
    const Profile* profile = find_profile(row.name);
    if (is_baseline(profile->kind) || profile->kind == Kind::automatic || row.name == plan.profile) continue;
    Options other = options;
    other.profile = row.name;
    const Result<Plan> made = make_plan(model, other);
    if (!made.ok()) continue;
    const std::uint64_t other_bytes = make_layout(model, *made).file_bytes;
    const double other_damage = expected_damage(model, *made);
    if (other_bytes > bytes || other_damage <= 0 || damage < kClearly * other_damage) continue;
    if (!best || damage / other_damage > best->times_less) best = Better{std::string(row.name), other_bytes, damage / other_damage};
  }
  return best;
}

}  // namespace jang::plan
