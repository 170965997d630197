// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/plan.h"

#include <fmt/format.h>

#include "api/planning.h"
#include "api/report.h"
#include "json/json.h"
#include "plan/layout.h"
#include "plan/make_plan.h"
#include "plan/plan.h"

namespace jang {

static_assert(kDefaultProfile == plan::kDefaultProfile);

std::vector<Profile> profiles() {
  std::vector<Profile> rows;
  for (const plan::ProfileRow& row : plan::profiles())
    rows.push_back({row.name, row.kind, row.critical, row.important, row.compress, row.summary});
  return rows;
}

Result<std::string> canonical_profile(std::string_view name) { return plan::canonical_profile(name); }

Result<Method> method_named(std::string_view name) {
  for (const Method method : {Method::fit, Method::rtn, Method::gptq, Method::awq, Method::awq_rtn, Method::awq_gptq})
    if (plan::method_name(plan_method(method), is_activation_aware(method)) == name) return method;
  return Status(StatusCode::invalid_argument,
                fmt::format("no method {}: fit, rtn, gptq, awq, awq+rtn and awq+gptq are known", json::quote(name, 64)));
}

Status set_effort(int level, PlanOptions* options) {
  if (level < 0 || level > kMostEffort)
    return {StatusCode::invalid_argument, fmt::format("effort {} is no level: 0 to {} are", level, kMostEffort)};
  options->method = level == 0 ? Method::rtn : level < 3 ? Method::fit : Method::gptq;
  options->self_calibrate = level >= 2;
  return {};
}

Status check_options(const PlanOptions& options) { return planner_options(options).status(); }

Result<PlanReport> plan_model(const std::string& name, const PlanOptions& options, const RunOptions& run) {
  JANG_ASSIGN(const plan::Options planner, planner_options(options));
  JANG_ASSIGN(Planning planning, Planning::open(name, options, planner, run));
  JANG_TRY(planning.check_scales());
  JANG_TRY(planning.gather());
  JANG_ASSIGN(const plan::Plan plan, planning.make_plan());
  const arch::Model& model = planning.source().model;
  PlanReport report = planning.report(plan, plan::sizes(model, plan, plan::make_layout(model, plan)), {});
  JANG_ASSIGN(report.changes, planning.changes(plan));
  if (report.changes) report.document = with_changes(report.document, *report.changes);
  return report;
}

}  // namespace jang
