// SPDX-License-Identifier: Apache-2.0
// What convert and plan have in common: options to plan::Options and RunOptions, the source opened, the plan made, progress set up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "quantize/convert.h"

namespace jang::cli {

// Options that decide the plan. Errors: invalid_argument (contradictions; numbers; profile, override: with the nearest name).
[[nodiscard]] Result<plan::Options> planning_options(const Arguments& arguments);
// Threads and backend; observer and cancel flag are the caller's. Errors: invalid_argument, unsupported (backend not available here).
[[nodiscard]] Result<quantize::RunOptions> run_options(const Arguments& arguments);

[[nodiscard]] ProgressMode progress_mode(std::string_view option, bool quiet, bool stderr_redraws);

struct OpenedSource {
  std::string naming_path;  // what the default output name derives from: what was typed, a directory or org/name
  quantize::Source source;
};
// Resolves and opens what the user typed. Errors never are invalid_argument: the input is at fault.
[[nodiscard]] Result<OpenedSource> open_named_source(const std::string& typed, const format::HubEnvironment& hub,
                                                     const format::OpenOptions& options, Observer& observer);
// --lenient.
[[nodiscard]] format::OpenOptions open_options(const Arguments& arguments);

// The plan, with everything the user should know told to the observer.
[[nodiscard]] Result<plan::Plan> make_source_plan(const OpenedSource& opened, const plan::Options& options, const std::string& plan_file,
                                                  const quantize::RunOptions& run);

// What a planning command prints on stdout, and the directory it made, if any.
struct Outcome {
  std::string text, output;
};
using PlanningWork = Result<Outcome> (*)(const Arguments&, const Surroundings&, const plan::Options&, const quantize::RunOptions&);
// Reads the options, runs `work` with progress on stderr and signals caught, tells success or failure, returns the exit code.
[[nodiscard]] int run_planning_command(const Arguments& arguments, const Surroundings& surroundings, PlanningWork work);

}  // namespace jang::cli
