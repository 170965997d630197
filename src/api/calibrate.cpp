// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/calibrate.h"

#include <filesystem>

#include "api/access.h"
#include "api/planning.h"
#include "base/phases.h"
#include "calibrate/calibrate.h"
#include "format/statistics.h"
#include "plan/plan.h"
#include "quantize/source.h"

namespace jang {
namespace {

CalibrationReport report_of(const format::Statistics& s) {
  CalibrationReport report;
  report.text = s.text;
  report.n_tokens = static_cast<std::int64_t>(s.tokens.size());
  report.window_length = s.window_length;
  report.n_modules = static_cast<std::int64_t>(s.inputs.size());
  report.n_gradients = static_cast<std::int64_t>(s.fisher.size());
  report.gradient_positions = s.fisher_positions;
  report.positions = s.positions;
  report.digest = s.digest;
  for (const auto& [unit, points] : s.sensitivities) {
    UnitSensitivity row{unit, {}};
    for (const format::SensitivityPoint& p : points) row.points.push_back({p.bits, p.group_size, p.error, p.divergence});
    report.sensitivities.push_back(std::move(row));
  }
  return report;
}

}  // namespace

Result<CalibrationReport> calibrate_model(const std::string& name, const std::string& output, const CalibrationOptions& options,
                                          const RunOptions& run) {
  if (output.empty()) return Status(StatusCode::invalid_argument, "a calibration needs a file to write");
  JANG_ASSIGN(calibrate::Options o, calibrator_options(options));
  o.partial_path = output + ".partial";
  JANG_ASSIGN(const std::string directory, find_input(name, run));
  engine::LoadOptions load = load_options(run, kernels::Precision::exact);
  load.observer = run.observer;
  Result<std::unique_ptr<engine::Engine>> engine = engine::Engine::load(directory, load);
  if (!engine.ok()) return as_input_failure(engine.status());
  // As convert stores it, so that self_calibrate measures the same; of a packed model too, with the same word of warning.
  JANG_ASSIGN(const quantize::Source source, quantize::open_source(directory, {.lenient = run.lenient}));
  if (!source.packed_by.empty()) observer_of(run).warn(quantize::packed_warning(source.packed_by));
  o.encode.param_dtype = plan::param_dtype(source.model, {});
  const bool is_mixture = (*engine)->described().n_experts > 0, has_gradients = (*engine)->device().backward() != nullptr;
  Phases phases(observer_of(run), calibrate::phases_of(o, is_mixture, has_gradients));
  JANG_ASSIGN(const format::Statistics statistics, calibrate::calibrate(**engine, o, phases, run.cancel));
  JANG_TRY(format::write_statistics(statistics, output));
  std::error_code ec;
  std::filesystem::remove(o.partial_path, ec);
  return report_of(statistics);
}

Result<CalibrationReport> merge_statistics(std::span<const std::string> files, const std::string& output) {
  if (files.empty()) return Status(StatusCode::invalid_argument, "there are no statistics to merge");
  JANG_ASSIGN(format::Statistics all, format::read_statistics(files.front()));
  for (std::size_t i = 1; i < files.size(); ++i) {
    JANG_ASSIGN(const format::Statistics other, format::read_statistics(files[i]));
    if (Status s = format::merge(other, &all); !s.ok()) return s.with_context(files[i]);
  }
  JANG_TRY(format::write_statistics(all, output));
  return report_of(all);
}

}  // namespace jang
