// SPDX-License-Identifier: Apache-2.0
// `jang plan`: what convert would do, and why.
#include "cli/plan.h"

#include "jang/plan.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/effort.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/planning.h"
#include "cli/report.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

std::string explanation(const PlanReport& plan, bool color) {
  std::string out = "\n" + tensors_text(plan.model, color);
  if (!plan.dropped.empty()) out += "\nnot taken over:\n";
  for (const DroppedTensor& row : plan.dropped) out += fmt::format("  {}: {}\n", printable(row.name), printable(row.reason));
  return out;
}

Result<Outcome> plan_source(const Arguments& arguments, const Surroundings& surroundings, Progress& progress) {
  JANG_ASSIGN(PlanOptions options, planning_options(arguments));
  JANG_ASSIGN(RunOptions run, run_options(arguments, surroundings));
  JANG_TRY(add_knowledge(arguments, &options));
  run.observer = &progress;
  run.cancel = &cancel_flag();
  const std::string typed = arguments.value("SRC");
  std::vector<EffortLevel> levels;
  if (arguments.has("--effort")) {
    JANG_ASSIGN(levels, estimate_effort(typed, options, kMostEffort, {}, run));
    for (const EffortLevel& level : levels)
      if (level.refusal.empty()) progress.info(fmt::format("effort {} takes {}", level.level, effort_line(level)));
  }
  JANG_ASSIGN(const PlanReport plan, plan_model(typed, options, run));
  if (arguments.has("--json")) {
    if (levels.empty()) return Outcome{plan.document + "\n", ""};
    Json v = parse_document(plan.document);
    v["effort"] = effort_document(levels);
    return Outcome{dump(v, 2) + "\n", ""};
  }
  const bool color = surroundings.stdout_color;
  std::string out = fmt::format("{} of {} ({}), method {}, decided by {}\n", plan.model.profile.value_or("?"), printable(typed),
                                printable(plan.family), plan.model.method.value_or("?"), plan.allocation);
  out += sizes_text(plan.model) + "\n" + histogram_text(plan.model, color);
  if (!levels.empty()) out += "\n" + effort_table(levels);
  if (arguments.has("--explain")) out += explanation(plan, color);
  return Outcome{std::move(out), ""};
}

}  // namespace

int run_plan(const Arguments& arguments, const Surroundings& surroundings) {
  return run_with_progress(arguments, surroundings, fmt::format("cannot plan {}", arguments.value("SRC")), plan_source);
}

}  // namespace jang::cli
