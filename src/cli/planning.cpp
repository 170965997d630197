// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "cli/planning.h"

#include <array>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/units.h"
#include "jang/machine.h"

namespace jang::cli {
namespace {

constexpr double kMaxBitsPerWeight = 32;
constexpr double kMaxBudgetSeconds = 1e7;
// A plan file holds all of these.
constexpr std::array<std::string_view, 9> kDecidedByPlanFile = {"--profile",     "--bpw",    "--size",   "--method", "--group-size",
                                                                "--scale-dtype", "--tensor", "--floors", "--effort"};
// A level of effort is a choice of these.
constexpr std::array<std::string_view, 4> kDecidedByEffort = {"--method", "--self", "--stats", "--distill"};

// Profile, --bpw and --size: a target makes the profile `auto`, and `auto` needs a target.
Status read_target(const Arguments& arguments, PlanOptions& options) {
  const bool has_bpw = arguments.has("--bpw"), has_size = arguments.has("--size");
  if (has_bpw && has_size) return usage("--bpw and --size both set the budget; give one of them");
  if (arguments.has("--profile")) {
    JANG_ASSIGN(options.profile, canonical_profile(arguments.value("--profile")));
  } else {
    options.profile = default_profile(options.target);
  }
  if (has_bpw || has_size) {
    const std::string_view which = has_bpw ? "--bpw" : "--size";
    if (arguments.has("--profile") && options.profile != "auto")
      return usage(fmt::format("{} belongs to profile auto, not to {}; leave -p out", which, options.profile));
    options.profile = "auto";
  } else if (options.profile == "auto") {
    return usage("profile auto needs a budget: --bpw or --size");
  }
  if (has_bpw) {
    JANG_ASSIGN(const double bpw, parse_positive(arguments.value("--bpw"), "--bpw", kMaxBitsPerWeight));
    options.bits_per_weight = bpw;
  }
  if (has_size) {
    JANG_ASSIGN(const std::uint64_t bytes, parse_size(arguments.value("--size")));
    options.file_bytes = bytes;
  }
  return {};
}

}  // namespace

Result<PlanOptions> planning_options(const Arguments& arguments) {
  PlanOptions options;
  options.target = arguments.value("--target");
  options.text_only = arguments.has("--text-only");
  if (arguments.has("--plan")) {
    for (const std::string_view name : kDecidedByPlanFile)
      if (arguments.has(name))
        return usage(fmt::format("{} has no effect beside --plan, which decides everything; edit the plan instead", name));
    options.plan_file = arguments.value("--plan");
  } else {
    JANG_TRY(read_target(arguments, options));
    JANG_ASSIGN(options.method, method_named(arguments.value("--method")));
    JANG_ASSIGN(const std::optional<int> effort, effort_of(arguments));
    if (effort) JANG_TRY(set_effort(*effort, &options));
    JANG_TRY(add_shape(arguments, &options));
    JANG_TRY(check_options(options));
  }
  return options;
}

Status add_shape(const Arguments& arguments, PlanOptions* options) {
  options->target = arguments.value("--target");
  if (const std::string group = arguments.value("--group-size"); group != "auto") {
    JANG_ASSIGN(const std::int64_t size, parse_integer(group, "--group-size", 32, 128));
    options->group_size = static_cast<int>(size);
  }
  if (const std::string dtype = arguments.value("--scale-dtype"); dtype != "auto")
    options->scale_type = dtype == "bf16" ? ScaleType::bf16 : ScaleType::f16;
  const std::string floors = arguments.value("--floors");
  options->floors = floors == "on" ? Floors::on : floors == "off" ? Floors::off : Floors::automatic;
  options->overrides = arguments.values("--tensor");
  return {};
}

Result<CalibrationOptions> calibration_options(const Arguments& arguments) {
  CalibrationOptions o;
  const bool own_command = arguments.command() == "calibrate";
  if (own_command && arguments.has("--text")) {
    if (arguments.has("--random") || arguments.has("--self"))
      return usage("--text, --self and --random name different text; give one of them");
    o.text = CalibrationText::file;
    o.text_file = arguments.value("--text");
  } else if (own_command && arguments.has("--random")) {
    o.text = CalibrationText::random;
  }
  if (arguments.has("--samples")) {
    JANG_ASSIGN(o.n_windows, parse_integer(arguments.value("--samples"), "--samples", 1, 4096));
  }
  JANG_ASSIGN(o.window_length, parse_integer(arguments.value("--seq-len"), "--seq-len", 2, 32768));
  JANG_ASSIGN(const std::int64_t seed, parse_integer(arguments.value("--seed"), "--seed", 0, std::int64_t{1} << 62));
  o.seed = static_cast<std::uint64_t>(seed);
  o.budget_seconds = 0;
  if (arguments.value("--budget") != "0") {
    JANG_ASSIGN(o.budget_seconds, parse_positive(arguments.value("--budget"), "--budget", kMaxBudgetSeconds));
  }
  o.trials = arguments.has("--trials");
  o.sensitivities = !own_command || !arguments.has("--no-sensitivity");
  return o;
}

Result<std::optional<int>> effort_of(const Arguments& arguments) {
  if (!arguments.has("--effort")) return std::optional<int>{};
  for (const std::string_view name : kDecidedByEffort)
    if (arguments.has(name)) return usage(fmt::format("--effort decides what {} says; give one of them", name));
  JANG_ASSIGN(const std::int64_t level, parse_integer(arguments.value("--effort"), "--effort", 0, kMostEffort));
  return std::optional<int>(static_cast<int>(level));
}

Status add_knowledge(const Arguments& arguments, PlanOptions* options) {
  options->self_calibrate = options->self_calibrate || arguments.has("--self");
  options->statistics_file = arguments.value("--stats");
  if (options->self_calibrate) {
    JANG_ASSIGN(options->calibration, calibration_options(arguments));
  }
  if (arguments.value("--rounds") != "auto") {
    JANG_ASSIGN(const std::int64_t rounds, parse_integer(arguments.value("--rounds"), "--rounds", 0, 20));
    options->correction_rounds = static_cast<int>(rounds);
  }
  return {};
}

Result<RunOptions> run_options(const Arguments& arguments, const Surroundings& surroundings) {
  RunOptions run;
  if (arguments.has("--threads")) {
    JANG_ASSIGN(const std::int64_t threads, parse_integer(arguments.value("--threads"), "--threads", 1, kMaxThreads));
    run.threads = static_cast<int>(threads);
  }
  if (const std::string name = arguments.value("--backend"); name != "auto") {
    JANG_TRY(check_backend(name));
    run.backend = name;
  }
  run.lenient = arguments.has("--lenient");
  run.hub = surroundings.hub;
  return run;
}

ProgressMode progress_mode(std::string_view option, bool quiet, bool stderr_redraws) {
  if (option == "json") return ProgressMode::json;
  if (option == "off" || quiet) return ProgressMode::off;
  return stderr_redraws ? ProgressMode::bar : ProgressMode::lines;
}

int run_with_progress(const Arguments& arguments, const Surroundings& surroundings, const std::string& what, Work work) {
  const bool quiet = arguments.has("--quiet");
  const ProgressMode mode = progress_mode(arguments.value("--progress"), quiet, surroundings.stderr_redraws);
  Progress progress(mode, print_message, wall_clock, surroundings.columns, surroundings.stderr_color, quiet);
  catch_interrupts();
  const Result<Outcome> outcome = work(arguments, surroundings, progress);
  if (outcome.ok()) {
    progress.finish_ok(outcome.value().output);
    return finish(quiet && !arguments.has("--json") ? std::string_view() : std::string_view(outcome.value().text), surroundings);
  }
  progress.finish_error(failure_line(what, arguments.command(), outcome.status()));
  if (mode == ProgressMode::json) return exit_code(outcome.status(), interrupt_signal());
  return fail(what, arguments.command(), outcome.status(), surroundings.stderr_color);
}

}  // namespace jang::cli
