// SPDX-License-Identifier: Apache-2.0
// Shared front half of eval and compare.
#include "cli/measuring.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/planning.h"
#include "cli/progress.h"
#include "cli/units.h"
#include "kernels/instruction_set.h"

namespace jang::cli {
namespace {

constexpr std::int64_t kMaxThreads = 1024;
constexpr std::int64_t kMaxTokens = std::int64_t{1} << 32;
constexpr std::int64_t kMaxShots = 32;

Result<std::optional<std::int64_t>> optional_integer(const Arguments& arguments, std::string_view name, std::int64_t least,
                                                     std::int64_t most) {
  if (!arguments.has(name)) return std::optional<std::int64_t>();
  JANG_ASSIGN(const std::int64_t value, parse_integer(arguments.value(name), name, least, most));
  return std::optional(value);
}

}  // namespace

Result<engine::LoadOptions> measuring_load_options(const Arguments& arguments) {
  engine::LoadOptions options;
  options.precision = arguments.has("--fast") ? kernels::Precision::fast : kernels::Precision::exact;
  options.lenient = arguments.has("--lenient");
  JANG_ASSIGN(const auto threads, optional_integer(arguments, "--threads", 1, kMaxThreads));
  options.n_threads = static_cast<int>(threads.value_or(0));
  if (const std::string name = arguments.value("--backend"); name != "auto") {
    if (kernels::find_instruction_set(name) == nullptr)
      return Status(StatusCode::unsupported,
                    fmt::format("backend {} is not available on this machine; `jang doctor` lists those that are", name));
    options.backend = name;
  }
  return options;
}

Result<eval::Protocol> protocol_of(const Arguments& arguments) {
  JANG_ASSIGN(const auto ctx, optional_integer(arguments, "--ctx", 2, eval::kMaxContext));
  JANG_ASSIGN(const auto stride, optional_integer(arguments, "--stride", 1, eval::kMaxContext));
  return eval::make_protocol(arguments.value("--protocol"), ctx, stride);
}

Result<std::int64_t> token_limit(const Arguments& arguments) {
  JANG_ASSIGN(const auto tokens, optional_integer(arguments, "--tokens", 1, kMaxTokens));
  return tokens.value_or(0);
}

Result<MmluOptions> mmlu_options(const Arguments& arguments) {
  MmluOptions options;
  JANG_ASSIGN(const std::int64_t shots, parse_integer(arguments.value("--shots"), "--shots", 0, kMaxShots));
  options.shots = static_cast<int>(shots);
  options.subset = arguments.value("--subset") == "200" ? eval::MmluSubset::first_200 : eval::MmluSubset::all;
  return options;
}

Result<std::string> model_directory(const std::string& typed, const Surroundings& surroundings) {
  Result<std::string> directory = format::resolve_model(typed, surroundings.hub);
  return directory.ok() ? directory : as_input_failure(directory.status());
}

Result<std::unique_ptr<engine::Engine>> load_model(const std::string& typed, const Surroundings& surroundings,
                                                   const engine::LoadOptions& options) {
  JANG_ASSIGN(const std::string directory, model_directory(typed, surroundings));
  Result<std::unique_ptr<engine::Engine>> engine = engine::Engine::load(directory, options);
  return engine.ok() ? std::move(engine) : as_input_failure(engine.status());
}

int run_measuring_command(const Arguments& arguments, const Surroundings& surroundings, const std::string& subject, MeasuringWork work) {
  const bool quiet = arguments.has("--quiet");
  const ProgressMode mode = progress_mode(arguments.value("--progress"), quiet, surroundings.stderr_redraws);
  Progress progress(mode, print_message, wall_clock, surroundings.columns, surroundings.stderr_color, quiet);
  catch_interrupts();
  const Result<Measured> measured = work(arguments, surroundings, progress);
  if (measured.ok()) {
    progress.finish_ok(measured.value().output);
    return finish(quiet && !arguments.has("--json") ? std::string_view() : std::string_view(measured.value().text), surroundings);
  }
  const std::string what = fmt::format("cannot {} {}", arguments.command() == "compare" ? "compare recipes on" : "evaluate", subject);
  progress.finish_error(failure_line(what, arguments.command(), measured.status()));
  if (mode == ProgressMode::json) return exit_code(measured.status(), interrupt_signal());
  return fail(what, arguments.command(), measured.status(), surroundings.stderr_color);
}

}  // namespace jang::cli
