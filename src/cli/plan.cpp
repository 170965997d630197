// SPDX-License-Identifier: Apache-2.0
// `jang plan`: what convert would do, and why.
#include "cli/plan.h"

#include "jang/model_page.h"
#include "jang/plan.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/effort.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/planning.h"
#include "cli/report.h"
#include "cli/units.h"
#include "jang/hub.h"

namespace jang::cli {
namespace {

std::string explanation(const PlanReport& plan, bool color) {
  std::string out = "\n" + tensors_text(plan.model, color);
  if (!plan.dropped.empty()) out += "\nnot taken over:\n";
  for (const DroppedTensor& row : plan.dropped) out += fmt::format("  {}: {}\n", printable(row.name), printable(row.reason));
  return out;
}

std::string signed_bytes(std::uint64_t now, std::uint64_t before) {
  return (now < before ? "-" : "+") + format_bytes(now < before ? before - now : now - before);
}

// What the target changed, beside the same plan for MLX.
std::string changes_text(const TargetChanges& c) {
  std::string out = fmt::format("\nfor {}, beside the same plan for mlx:\n", c.target);
  for (const TargetChanges::Row& row : c.rows)
    out += fmt::format("  {}{}: {} in the place of {} ({})\n", printable(row.modules.front()),
                       row.modules.size() > 1 ? fmt::format(" and {} more", row.modules.size() - 1) : "", row.target, row.mlx,
                       printable(row.reason));
  if (c.rows.empty()) out += "  every module has the same bits and groups\n";
  out += fmt::format("  weight files  {} in the place of {} ({})\n", format_bytes(c.file_bytes), format_bytes(c.mlx_file_bytes),
                     signed_bytes(c.file_bytes, c.mlx_file_bytes));
  if (c.divergence && c.mlx_divergence)
    out +=
        fmt::format("  divergence    {:.4f} expected in the place of {:.4f}, fitted, from gradients\n", *c.divergence, *c.mlx_divergence);
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
  std::string page;
  if (arguments.has("--html")) {
    page = arguments.value("--html");
    const ModelPage about{fmt::format("{}, planned", model_name(typed)),
                          {fmt::format("{}, decided by {}", plan.family, plan.allocation)},
                          options.statistics_file,
                          plan.family};
    JANG_TRY(write_model_page(plan.model, about, page));
  }
  if (arguments.has("--json")) {
    if (levels.empty()) return Outcome{plan.document + "\n", page};
    Json v = parse_document(plan.document);
    v["effort"] = effort_document(levels);
    return Outcome{dump(v, 2) + "\n", page};
  }
  const bool color = surroundings.stdout_color;
  std::string out = fmt::format("{} of {} ({}), method {}, decided by {}\n", plan.model.profile.value_or("?"), printable(typed),
                                printable(plan.family), plan.model.method.value_or("?"), plan.allocation);
  out += sizes_text(plan.model) + "\n" + histogram_text(plan.model, color);
  if (plan.changes) out += changes_text(*plan.changes);
  if (!levels.empty()) out += "\n" + effort_table(levels);
  if (arguments.has("--explain")) out += explanation(plan, color);
  return Outcome{std::move(out), page};
}

}  // namespace

int run_plan(const Arguments& arguments, const Surroundings& surroundings) {
  return run_with_progress(arguments, surroundings, fmt::format("cannot plan {}", arguments.value("SRC")), plan_source);
}

}  // namespace jang::cli
