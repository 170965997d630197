// SPDX-License-Identifier: Apache-2.0
// `jang calibrate`: measures the statistics of a model, on text that it samples itself by default, and writes a file that convert reads.
#include "cli/calibrate.h"

#include "jang/calibrate.h"

#include <filesystem>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/effort.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/planning.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

std::string summary(const CalibrationReport& s, const std::string& output, double seconds) {
  std::string out = fmt::format("wrote {}\n  text          {}: {} windows of {} tokens\n  activations   {} modules\n", printable(output),
                                s.text, s.window_length > 0 ? s.n_tokens / s.window_length : 0, s.window_length, s.n_modules);
  if (s.n_gradients > 0) out += fmt::format("  gradients     {} modules, {} positions scored\n", s.n_gradients, s.gradient_positions);
  if (!s.sensitivities.empty()) out += fmt::format("  sensitivities {} units, {} positions scored\n", s.sensitivities.size(), s.positions);
  out += fmt::format("  time          {}\nnext:\n  jang convert SRC --stats {} -p auto --bpw 3.5\n", format_duration(seconds),
                     printable(output));
  return out;
}

Json document(const CalibrationReport& s, const std::string& output, double seconds) {
  Json sensitivities = Json::object();
  for (const UnitSensitivity& unit : s.sensitivities)
    for (const SensitivityPoint& p : unit.points)
      sensitivities[unit.unit].push_back({{"bits", p.bits}, {"group_size", p.group_size}, {"error", p.error}, {"kld", p.divergence}});
  return {{"schema_version", kSchemaVersion},
          {"output", output},
          {"text", s.text},
          {"tokens", s.n_tokens},
          {"modules", s.n_modules},
          {"positions", s.positions},
          {"gradients", s.n_gradients},
          {"gradient_positions", s.gradient_positions},
          {"digest", s.digest},
          {"seconds", seconds},
          {"sensitivities", std::move(sensitivities)}};
}

Result<CalibrationReport> measure_or_merge(const Arguments& arguments, const Surroundings& surroundings, const std::string& output,
                                           Progress& progress) {
  const std::vector<std::string> files = arguments.values("--merge");
  if (!files.empty()) return merge_statistics(files, output);
  JANG_ASSIGN(const CalibrationOptions options, calibration_options(arguments));
  JANG_ASSIGN(RunOptions run, run_options(arguments, surroundings));
  // What is wrong with the source, the calibration says better.
  if (const auto estimate = estimate_calibration(arguments.value("SRC"), options, run); estimate.ok())
    progress.info("this takes " + effort_line(*estimate));
  run.observer = &progress;
  run.cancel = &cancel_flag();
  return calibrate_model(arguments.value("SRC"), output, options, run);
}

Result<Outcome> calibrate_source(const Arguments& arguments, const Surroundings& surroundings, Progress& progress) {
  const double start = wall_clock();
  const std::string output = arguments.value("--output");
  if (output.empty()) return Status(StatusCode::invalid_argument, "give the file to write, for example -o stats.safetensors");
  std::error_code ec;
  if (std::filesystem::exists(output, ec) && !arguments.has("--force"))
    return Status(StatusCode::invalid_argument, fmt::format("{} exists already; choose another -o, or --force to replace it", output));
  JANG_ASSIGN(const CalibrationReport report, measure_or_merge(arguments, surroundings, output, progress));
  const double seconds = wall_clock() - start;
  return Outcome{arguments.has("--json") ? dump(document(report, output, seconds), 2) + "\n" : summary(report, output, seconds), output};
}

}  // namespace

int run_calibrate(const Arguments& arguments, const Surroundings& surroundings) {
  return run_with_progress(arguments, surroundings, fmt::format("cannot calibrate {}", printable(arguments.value("SRC"))),
                           calibrate_source);
}

}  // namespace jang::cli
