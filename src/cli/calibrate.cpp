// SPDX-License-Identifier: Apache-2.0
// `jang calibrate`: measures the statistics of a model, on text that it samples itself by default, and writes a file that convert reads.
#include "calibrate/calibrate.h"

#include <filesystem>

#include <fmt/format.h>

#include "cli/calibration.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

std::string summary(const format::Statistics& s, const std::string& output, double seconds) {
  std::string out =
      fmt::format("wrote {}\n  text          {}: {} windows of {} tokens\n  activations   {} modules\n", printable(output), s.text,
                  s.window_length > 0 ? static_cast<std::int64_t>(s.tokens.size()) / s.window_length : 0, s.window_length, s.inputs.size());
  if (!s.fisher.empty()) out += fmt::format("  gradients     {} modules, {} positions scored\n", s.fisher.size(), s.fisher_positions);
  if (!s.sensitivities.empty()) out += fmt::format("  sensitivities {} units, {} positions scored\n", s.sensitivities.size(), s.positions);
  out += fmt::format("  time          {}\nnext:\n  jang convert SRC --stats {} -p auto --bpw 3.5\n", format_duration(seconds),
                     printable(output));
  return out;
}

json::Value document(const format::Statistics& s, const std::string& output, double seconds) {
  json::Value sensitivities = json::Value::object();
  for (const auto& [unit, points] : s.sensitivities)
    for (const format::SensitivityPoint& p : points)
      sensitivities[unit].push_back({{"bits", p.bits}, {"group_size", p.group_size}, {"error", p.error}, {"kld", p.divergence}});
  return {{"schema_version", kSchemaVersion},
          {"output", output},
          {"text", s.text},
          {"tokens", s.tokens.size()},
          {"modules", s.inputs.size()},
          {"positions", s.positions},
          {"gradients", s.fisher.size()},
          {"gradient_positions", s.fisher_positions},
          {"digest", s.digest},
          {"seconds", seconds},
          {"sensitivities", std::move(sensitivities)}};
}

Result<format::Statistics> merged(const std::vector<std::string>& files) {
  JANG_ASSIGN(format::Statistics all, format::read_statistics(files.front()));
  for (std::size_t i = 1; i < files.size(); ++i) {
    JANG_ASSIGN(const format::Statistics other, format::read_statistics(files[i]));
    if (Status s = format::merge(other, &all); !s.ok()) return s.with_context(files[i]);
  }
  return all;
}

Result<format::Statistics> measured(const Arguments& arguments, const Surroundings& surroundings, const std::string& output,
                                    Progress& progress) {
  JANG_ASSIGN(calibrate::Options o, calibration_options(arguments));
  o.partial_path = output + ".partial";
  int n_threads = 0;
  if (arguments.has("--threads")) {
    JANG_ASSIGN(const std::int64_t threads, parse_integer(arguments.value("--threads"), "--threads", 1, 1024));
    n_threads = static_cast<int>(threads);
  }
  const Result<std::string> directory = format::resolve_model(arguments.value("SRC"), surroundings.hub);
  if (!directory.ok()) return as_input_failure(directory.status());
  Result<std::unique_ptr<engine::Engine>> engine =
      load_for_calibration(directory.value(), n_threads, arguments.has("--lenient"), &progress);
  if (!engine.ok()) return as_input_failure(engine.status());
  if ((*engine)->is_bundle())
    return Status(StatusCode::unsupported, "this model is quantized already; calibrate its source, where every width can be tried");
  o.encode.param_dtype = plan::param_dtype((*engine)->described(), {});  // as convert stores it, so that --self measures the same
  return calibrate::calibrate(**engine, o, progress, &cancel_flag());
}

Result<std::string> work(const Arguments& arguments, const Surroundings& surroundings, Progress& progress) {
  const double start = wall_clock();
  const std::string output = arguments.value("--output");
  if (output.empty()) return Status(StatusCode::invalid_argument, "give the file to write, for example -o stats.safetensors");
  std::error_code ec;
  if (std::filesystem::exists(output, ec) && !arguments.has("--force"))
    return Status(StatusCode::invalid_argument, fmt::format("{} exists already; choose another -o, or --force to replace it", output));
  const std::vector<std::string> files = arguments.values("--merge");
  JANG_ASSIGN(const format::Statistics s, files.empty() ? measured(arguments, surroundings, output, progress) : merged(files));
  JANG_TRY(format::write_statistics(s, output));
  std::filesystem::remove(output + ".partial", ec);
  const double seconds = wall_clock() - start;
  return arguments.has("--json") ? json::dump(document(s, output, seconds), 2) + "\n" : summary(s, output, seconds);
}

}  // namespace

int run_calibrate(const Arguments& arguments, const Surroundings& surroundings) {
  const bool quiet = arguments.has("--quiet");
  const ProgressMode mode = progress_mode(arguments.value("--progress"), quiet, surroundings.stderr_redraws);
  Progress progress(mode, print_message, wall_clock, surroundings.columns, surroundings.stderr_color, quiet);
  catch_interrupts();
  const Result<std::string> text = work(arguments, surroundings, progress);
  if (text.ok()) {
    progress.finish_ok(arguments.value("--output"));
    return finish(quiet && !arguments.has("--json") ? std::string_view() : std::string_view(text.value()), surroundings);
  }
  const std::string what = fmt::format("cannot calibrate {}", printable(arguments.value("SRC")));
  progress.finish_error(failure_line(what, arguments.command(), text.status()));
  if (mode == ProgressMode::json) return exit_code(text.status(), interrupt_signal());
  return fail(what, arguments.command(), text.status(), surroundings.stderr_color);
}

}  // namespace jang::cli
