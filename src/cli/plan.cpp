// SPDX-License-Identifier: Apache-2.0
// `jang plan`: what convert would do, and why.
#include <fmt/format.h>

#include "cli/calibration.h"
#include "cli/commands.h"
#include "cli/planning.h"
#include "cli/report.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

std::string explanation(const OpenedSource& opened, const Report& report, bool color) {
  std::string out = "\n" + tensors_text(report, color);
  const std::vector<arch::Dropped>& dropped = opened.source.model.dropped;
  if (!dropped.empty()) out += "\nnot taken over:\n";
  for (const arch::Dropped& row : dropped) out += fmt::format("  {}: {}\n", printable(row.name), printable(row.reason));
  return out;
}

Result<Outcome> plan_source_text(const Arguments& arguments, const Surroundings& surroundings, const plan::Options& options,
                                 const quantize::RunOptions& given_run) {
  JANG_ASSIGN(const OpenedSource opened,
              open_named_source(arguments.value("SRC"), surroundings.hub, open_options(arguments), *given_run.observer));
  JANG_ASSIGN(Knowledge knowledge, gather_knowledge(arguments, opened, options, given_run));
  quantize::RunOptions run = given_run;
  run.statistics = knowledge.statistics.get();
  JANG_ASSIGN(const plan::Plan plan, make_knowing_plan(arguments, opened, options, run, knowledge));
  const arch::Model& model = opened.source.model;
  const Report report = plan_report(model, plan, plan::sizes(model, plan, plan::make_layout(model, plan)), {});
  if (arguments.has("--json")) return Outcome{json::dump(plan_document(model, plan, report), 2) + "\n", ""};
  const bool color = surroundings.stdout_color;
  std::string out = fmt::format("{} of {} ({}), method {}, decided by {}\n", plan.profile, printable(arguments.value("SRC")),
                                printable(model.family), plan::to_string(plan.method), plan::to_string(plan.allocation));
  out += sizes_text(report) + "\n" + histogram_text(report, color);
  if (arguments.has("--explain")) out += explanation(opened, report, color);
  return Outcome{std::move(out), ""};
}

}  // namespace

int run_plan(const Arguments& arguments, const Surroundings& surroundings) {
  return run_planning_command(arguments, surroundings, plan_source_text);
}

}  // namespace jang::cli
