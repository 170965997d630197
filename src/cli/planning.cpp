// SPDX-License-Identifier: Apache-2.0
// Shared front half of convert and plan.
#include "cli/planning.h"

#include <array>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/units.h"
#include "kernels/instruction_set.h"

namespace jang::cli {
namespace {

constexpr double kMaxBitsPerWeight = 32;
constexpr std::int64_t kMaxThreads = 1024;
// A plan file holds all of these.
constexpr std::array<std::string_view, 8> kDecidedByPlanFile = {"--profile",    "--bpw",         "--size",   "--method",
                                                                "--group-size", "--scale-dtype", "--tensor", "--floors"};

Status usage(std::string message) { return {StatusCode::invalid_argument, std::move(message)}; }

// Profile, --bpw and --size: a target makes the profile `auto`, and `auto` needs a target.
Status read_target(const Arguments& arguments, plan::Options& options) {
  const bool has_bpw = arguments.has("--bpw"), has_size = arguments.has("--size");
  if (has_bpw && has_size) return usage("--bpw and --size both set the budget; give one of them");
  JANG_ASSIGN(options.profile, plan::canonical_profile(arguments.value("--profile")));
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
    options.target_bpw = bpw;
  }
  if (has_size) {
    JANG_ASSIGN(const std::uint64_t bytes, parse_size(arguments.value("--size")));
    options.target_bytes = bytes;
  }
  return {};
}

}  // namespace

Result<plan::Options> planning_options(const Arguments& arguments) {
  plan::Options options;
  if (arguments.has("--plan")) {
    for (const std::string_view name : kDecidedByPlanFile)
      if (arguments.has(name))
        return usage(fmt::format("{} has no effect beside --plan, which decides everything; edit the plan instead", name));
    return options;
  }
  JANG_TRY(read_target(arguments, options));
  options.method = plan::method_from_string(arguments.value("--method")).value_or(plan::Method::fit);
  if (const std::string group = arguments.value("--group-size"); group != "auto") {
    JANG_ASSIGN(const std::int64_t size, parse_integer(group, "--group-size", 32, 128));
    options.group_size = static_cast<int>(size);
  }
  if (const std::string dtype = arguments.value("--scale-dtype"); dtype != "auto")
    options.param_dtype = dtype == "bf16" ? DType::bf16 : DType::f16;
  const std::string floors = arguments.value("--floors");
  options.floors = floors == "on" ? plan::Floors::on : floors == "off" ? plan::Floors::off : plan::Floors::automatic;
  for (const std::string& text : arguments.values("--tensor")) {
    JANG_ASSIGN(plan::Override override_row, plan::parse_override(text));
    options.overrides.push_back(std::move(override_row));
  }
  return options;
}

Result<quantize::RunOptions> run_options(const Arguments& arguments) {
  quantize::RunOptions run;
  if (arguments.has("--threads")) {
    JANG_ASSIGN(const std::int64_t threads, parse_integer(arguments.value("--threads"), "--threads", 1, kMaxThreads));
    run.n_threads = static_cast<int>(threads);
  }
  if (const std::string name = arguments.value("--backend"); name != "auto") {
    if (kernels::find_instruction_set(name) == nullptr)
      return Status(StatusCode::unsupported,
                    fmt::format("backend {} is not available on this machine; `jang doctor` lists those that are", name));
    run.backend = name;
  }
  return run;
}

ProgressMode progress_mode(std::string_view option, bool quiet, bool stderr_redraws) {
  if (option == "json") return ProgressMode::json;
  if (option == "off" || quiet) return ProgressMode::off;
  return stderr_redraws ? ProgressMode::bar : ProgressMode::lines;
}

format::OpenOptions open_options(const Arguments& arguments) { return {.lenient = arguments.has("--lenient")}; }

Result<OpenedSource> open_named_source(const std::string& typed, const format::HubEnvironment& hub, const format::OpenOptions& options,
                                       Observer& observer) {
  observer.phase(1, 5, "detect");
  Result<std::string> directory = format::resolve_model(typed, hub);
  if (!directory.ok()) return as_input_failure(directory.status());
  Result<quantize::Source> source = quantize::open_source(directory.value(), options);
  if (!source.ok()) return as_input_failure(source.status());
  return OpenedSource{typed, std::move(source).value()};
}

Result<plan::Plan> make_source_plan(const OpenedSource& opened, const plan::Options& options, const std::string& plan_file,
                                    const quantize::RunOptions& run) {
  for (const std::string& warning : opened.source.model.warnings) run.observer->warn(warning);
  JANG_ASSIGN(plan::Plan plan, quantize::plan_source(opened.source, options, plan_file, run));
  run.observer->phase(3, 5, "allocate");  // made inside plan_source, after its phase 2 (measure) where there is one
  for (const std::string& warning : plan.warnings) run.observer->warn(warning);
  return plan;
}

int run_planning_command(const Arguments& arguments, const Surroundings& surroundings, PlanningWork work) {
  const bool quiet = arguments.has("--quiet");
  const ProgressMode mode = progress_mode(arguments.value("--progress"), quiet, surroundings.stderr_redraws);
  Progress progress(mode, print_message, wall_clock, surroundings.columns, surroundings.stderr_color, quiet);
  catch_interrupts();
  const Result<Outcome> outcome = [&]() -> Result<Outcome> {
    JANG_ASSIGN(const plan::Options options, planning_options(arguments));
    JANG_ASSIGN(quantize::RunOptions run, run_options(arguments));
    run.observer = &progress;
    run.cancel = &cancel_flag();
    return work(arguments, surroundings, options, run);
  }();
  if (outcome.ok()) {
    progress.finish_ok(outcome.value().output);
    return finish(quiet && !arguments.has("--json") ? std::string_view() : std::string_view(outcome.value().text), surroundings);
  }
  const std::string what = fmt::format("cannot {} {}", arguments.command(), arguments.value("SRC"));
  progress.finish_error(failure_line(what, arguments.command(), outcome.status()));
  if (mode == ProgressMode::json) return exit_code(outcome.status(), interrupt_signal());
  return fail(what, arguments.command(), outcome.status(), surroundings.stderr_color);
}

}  // namespace jang::cli
