// SPDX-License-Identifier: Apache-2.0
// Calibration behind the commands that use it.
#include "cli/calibration.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "base/file.h"
#include "base/text_input.h"
#include "calibrate/allocate.h"
#include "calibrate/model_grams.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;
constexpr double kMaxBudgetSeconds = 1e7;

// One file, or the *.txt files of a directory in the order of their names.
Result<std::string> read_given_text(const std::string& path) {
  std::error_code ec;
  if (!std::filesystem::is_directory(path, ec)) return read_text_input(path, kMaxTextBytes);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, ec))
    if (entry.is_regular_file(ec) && entry.path().extension() == ".txt") files.push_back(entry.path().string());
  if (files.empty()) return Status(StatusCode::not_found, fmt::format("directory {} holds no .txt file", path));
  std::ranges::sort(files);
  std::string all;
  for (const std::string& file : files) {
    JANG_ASSIGN(const std::string text, read_text(file, kMaxTextBytes - all.size()));
    all += text;
  }
  return all;
}

Status no_text() {
  return {StatusCode::invalid_argument, "--method gptq needs text that the model reads: add --self, or --stats FILE of `jang calibrate`"};
}

Result<int> rounds_of(const Arguments& arguments) {
  JANG_ASSIGN(const std::int64_t rounds, parse_integer(arguments.value("--rounds"), "--rounds", 0, 20));
  return static_cast<int>(rounds);
}

}  // namespace

Result<calibrate::Options> calibration_options(const Arguments& arguments) {
  calibrate::Options o;
  const bool own_command = arguments.command() == "calibrate";
  if (own_command && arguments.has("--text")) {
    if (arguments.has("--random") || arguments.has("--self"))
      return Status(StatusCode::invalid_argument, "--text, --self and --random name different text; give one of them");
    o.text = calibrate::TextKind::file;
    JANG_ASSIGN(o.given, read_given_text(arguments.value("--text")));
  } else if (own_command && arguments.has("--random")) {
    o.text = calibrate::TextKind::random;
  }
  JANG_ASSIGN(o.windows.n_windows, parse_integer(arguments.value("--samples"), "--samples", 1, 4096));
  JANG_ASSIGN(o.windows.length, parse_integer(arguments.value("--seq-len"), "--seq-len", 2, 32768));
  JANG_ASSIGN(const std::int64_t seed, parse_integer(arguments.value("--seed"), "--seed", 0, std::int64_t{1} << 62));
  o.windows.seed = static_cast<std::uint64_t>(seed);
  if (arguments.value("--budget") != "0") {
    JANG_ASSIGN(o.budget_seconds, parse_positive(arguments.value("--budget"), "--budget", kMaxBudgetSeconds));
  }
  o.sensitivities = !own_command || !arguments.has("--no-sensitivity");
  return o;
}

Result<std::unique_ptr<engine::Engine>> load_for_calibration(const std::string& directory, int n_threads, bool lenient,
                                                             Observer* observer) {
  engine::LoadOptions load;
  load.lenient = lenient;
  load.observer = observer;
  load.n_threads = n_threads;
  load.precision = kernels::Precision::exact;
  return engine::Engine::load(directory, load);
}

Result<Knowledge> gather_knowledge(const Arguments& arguments, const OpenedSource& opened, const plan::Options& options,
                                   const quantize::RunOptions& run) {
  Knowledge k;
  const bool self = arguments.has("--self"), given = arguments.has("--stats");
  const bool writes = arguments.command() == "convert" && !arguments.has("--dry-run");
  if (writes && options.method == plan::Method::gptq && !self && !given) return no_text();  // before hours of measuring
  if (self && given) return Status(StatusCode::invalid_argument, "--self measures the model anew, --stats brings a file; give one of them");
  if (given) {
    JANG_ASSIGN(format::Statistics statistics, format::read_statistics(arguments.value("--stats")));
    k.statistics = std::make_unique<format::Statistics>(std::move(statistics));
  }
  if (self) {
    JANG_ASSIGN(calibrate::Options o, calibration_options(arguments));
    o.sensitivities = plan::needs_errors(options);
    o.encode = {options.method, plan::param_dtype(opened.source.model, options)};
    if (options.method == plan::Method::gptq) {
      o.measured_windows = o.windows.n_windows;
      o.windows.n_windows = std::max(o.windows.n_windows, calibrate::kGramWindows);
    }
    JANG_ASSIGN(k.engine, load_for_calibration(opened.source.checkpoint.path(), run.n_threads, arguments.has("--lenient")));
    JANG_ASSIGN(format::Statistics statistics, calibrate::calibrate(*k.engine, o, *run.observer, run.cancel));
    k.statistics = std::make_unique<format::Statistics>(std::move(statistics));
  }
  return k;
}

Result<std::unique_ptr<quantize::Grams>> make_grams(const Arguments& arguments, const OpenedSource& opened, const plan::Plan& plan,
                                                    const quantize::RunOptions& run, Knowledge& k) {
  if (plan.method != plan::Method::gptq) return std::unique_ptr<quantize::Grams>();
  if (k.statistics == nullptr || k.statistics->tokens.empty()) return no_text();
  if (!k.engine) {
    JANG_ASSIGN(k.engine, load_for_calibration(opened.source.checkpoint.path(), run.n_threads, arguments.has("--lenient")));
  }
  k.windows = calibrate::windows_of(*k.statistics);
  return std::unique_ptr<quantize::Grams>(std::make_unique<calibrate::ModelGrams>(*k.engine, k.windows, run.cancel));
}

Result<plan::Plan> make_knowing_plan(const Arguments& arguments, const OpenedSource& opened, const plan::Options& options,
                                     const quantize::RunOptions& run, Knowledge& k) {
  JANG_ASSIGN(const int rounds, rounds_of(arguments));
  const bool corrected = k.statistics && rounds > 0 && arguments.value("--plan").empty() && plan::needs_errors(options) &&
                         !k.statistics->sensitivities.empty() && !k.statistics->tokens.empty();
  if (!corrected) return make_source_plan(opened, options, arguments.value("--plan"), run);
  if (!k.engine) {
    JANG_ASSIGN(k.engine, load_for_calibration(opened.source.checkpoint.path(), run.n_threads, arguments.has("--lenient")));
  }
  for (const std::string& warning : opened.source.model.warnings) run.observer->warn(warning);
  JANG_ASSIGN(calibrate::MeasuredPlan measured,
              calibrate::allocate_measured(*k.engine, opened.source, options, run, rounds, calibrate::Options{}.max_positions));
  run.observer->phase(3, 5, "allocate");
  for (const std::string& warning : measured.plan.warnings) run.observer->warn(warning);
  return std::move(measured.plan);
}

}  // namespace jang::cli
