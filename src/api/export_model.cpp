// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/export_model.h"

#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "api/access.h"
#include "base/phases.h"
#include "format/hub.h"
#include "format/targets/target.h"
#include "jang/plan.h"
#include "json/json.h"
#include "plan/names.h"
#include "quantize/check_loads.h"
#include "quantize/export_plan.h"

namespace jang {
namespace {

Result<const targets::Target*> target_named(const std::string& name) {
  const targets::Target* target = name.empty() ? &targets::default_target() : targets::find_target(name);
  if (target != nullptr) return target;
  return Status(StatusCode::invalid_argument,
                fmt::format("no target is named {}{}", json::quote(name), plan::nearest_hint(name, target_names())));
}

std::optional<DType> scale_type(ExportScales scales) {
  switch (scales) {
    case ExportScales::bf16: return DType::bf16;
    case ExportScales::f16: return DType::f16;
    case ExportScales::f32: return DType::f32;
    case ExportScales::automatic: break;
  }
  return std::nullopt;
}

Status check_output_free(const std::string& output, bool force) {
  std::error_code ec;
  if (force || !std::filesystem::exists(std::filesystem::symlink_status(output, ec))) return {};
  return {StatusCode::invalid_argument, fmt::format("{} exists already; choose another --output, or --force to replace it", output)};
}

// What came over exactly, and how far off the rest is, weighted by parameters.
void count(const arch::Model& model, const plan::Plan& plan, const quantize::TensorErrors& errors, ExportReport* report) {
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    if (plan.tensors[i].choice.bits == 0) continue;
    const arch::OutTensor& t = model.tensors[i];
    ++report->n_modules;
    const double error = errors[i].value_or(0);
    if (error == 0) {
      ++report->n_exact;
      continue;
    }
    report->changed.push_back(t.module);
    sum += error * static_cast<double>(elements(t.shape));
    weights += static_cast<double>(elements(t.shape));
  }
  report->error = weights > 0 ? sum / weights : 0;
}

}  // namespace

Result<ExportReport> export_model(const std::string& name, const ExportOptions& options, const RunOptions& run) {
  JANG_ASSIGN(const targets::Target* const target, target_named(options.target));
  ExportReport report;
  report.output = without_trailing_slash(options.output);
  if (report.output.empty()) report.output = fmt::format("{}-{}", format::model_name(name), target->name());
  JANG_TRY(check_output_free(report.output, options.force));
  Phases phases(observer_of(run), {"detect", "quantize", "write"});
  begin_phase(phases, "detect");
  JANG_ASSIGN(const std::string directory, find_input(name, run));
  Result<quantize::Source> source = quantize::open_source(directory, {.lenient = run.lenient}, *target);
  if (!source.ok()) return as_input_failure(source.status());
  JANG_TRY(quantize::check_loadable(source->model, *target));
  JANG_ASSIGN(const plan::Plan plan, quantize::export_plan(&*source, scale_type(options.scales)));
  std::erase(source->model.warnings, quantize::packed_warning(source->packed_by));  // here it is the point
  for (const std::string& warning : source->model.warnings) phases.warn(warning);
  for (const std::string& warning : plan.warnings) phases.warn(warning);
  quantize::RunOptions conversion = quantize_options(run);
  conversion.observer = &phases;
  JANG_ASSIGN(const quantize::ConvertReport done, quantize::convert(*source, plan, report.output, options.force, conversion));
  count(source->model, plan, done.errors, &report);
  if (!report.changed.empty())
    phases.warn(
        fmt::format("{} of {} packed modules, such as {}, do not come over exactly: their values differ by {:.3g} of their squared "
                    "norm",
                    report.changed.size(), report.n_modules, report.changed.front(), report.error));
  report.file_bytes = done.sizes.file_bytes;
  report.stored_bits = done.sizes.stored_bits;
  report.seconds = done.seconds;
  report.loader_command = target->sample_command(source->model, report.output);
  return report;
}

}  // namespace jang
