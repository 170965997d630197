// SPDX-License-Identifier: Apache-2.0
// What convert, plan and calibrate have in common: options read, progress set up, outcomes told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "jang/plan.h"
#include "jang/run_options.h"

namespace jang::cli {

inline constexpr std::int64_t kMaxThreads = 1024;

// Options that decide the plan. Errors: invalid_argument (contradictions; numbers; profile, override: with the nearest name).
[[nodiscard]] Result<PlanOptions> planning_options(const Arguments& arguments);
// What shapes the files of a profile: target, group size, type of scales, floors, overrides. Errors: invalid_argument (numbers).
[[nodiscard]] Status add_shape(const Arguments& arguments, PlanOptions* options);
// Options of calibrate, and of convert and plan with --self. Errors: invalid_argument.
[[nodiscard]] Result<CalibrationOptions> calibration_options(const Arguments& arguments);
// The level of --effort, where it is given. Errors: invalid_argument (no level; an option that a level decides is given too).
[[nodiscard]] Result<std::optional<int>> effort_of(const Arguments& arguments);
// --self, --stats and --rounds: what is known of the model. Errors: invalid_argument.
[[nodiscard]] Status add_knowledge(const Arguments& arguments, PlanOptions* options);
// Threads, backend, leniency and where names are looked up; observer and cancel flag are the caller's. Errors: invalid_argument,
// unsupported (backend not available here).
[[nodiscard]] Result<RunOptions> run_options(const Arguments& arguments, const Surroundings& surroundings);

[[nodiscard]] ProgressMode progress_mode(std::string_view option, bool quiet, bool stderr_redraws);

// What a command prints on stdout, and the path it made, if any.
struct Outcome {
  std::string text, output;
};
using Work = Result<Outcome> (*)(const Arguments&, const Surroundings&, Progress&);
// Runs `work` with progress on stderr and signals caught, tells success or failure, returns the exit code. `what`: what failed, where it
// does.
[[nodiscard]] int run_with_progress(const Arguments& arguments, const Surroundings& surroundings, const std::string& what, Work work);

}  // namespace jang::cli
