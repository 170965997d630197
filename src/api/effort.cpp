// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/effort.h"

#include <fmt/format.h>

#include "api/access.h"
#include "api/effort_work.h"
#include "api/planning.h"
#include "base/thread_pool.h"
#include "calibrate/allocate.h"
#include "calibrate/model_grams.h"
#include "kernels/backward.h"
#include "kernels/devices.h"
#include "model/workspace.h"
#include "plan/make_plan.h"

namespace jang {
namespace {

// A step of Adam for one weight whose code learns.
Result<Cost> measure_training(kernels::Device& device) {
  constexpr std::int64_t kRows = 512, kColumns = 512, kGroup = 64, kGroups = kColumns / kGroup;
  if (device.backward() == nullptr) return Cost{};
  model::Array large[5], small[8];
  const auto reserve = [&](model::Array& array, std::int64_t columns) -> Result<kernels::Tensor> {
    if (!array.reserve(device, kRows * columns)) return Status(StatusCode::out_of_memory, "no memory to measure the speed of training");
    const std::vector<float> values(static_cast<std::size_t>(kRows * columns), 0.5f);
    JANG_TRY(device.write(values.data(), array.matrix(kRows, columns)));
    return array.matrix(kRows, columns);
  };
  kernels::PackedStep step;
  step.bits = 4;
  step.group_size = kGroup;
  kernels::Tensor* const of_groups[] = {&step.scales0,       &step.biases0,      &step.scales.value, &step.scales.first,
                                        &step.scales.second, &step.biases.value, &step.biases.first, &step.biases.second};
  kernels::Tensor* const of_weights[] = {&step.latents.value, &step.latents.first, &step.latents.second, &step.gradient, &step.weights};
  for (std::size_t i = 0; i < std::size(small); ++i) {
    JANG_ASSIGN(*of_groups[i], reserve(small[i], kGroups));
  }
  for (std::size_t i = 0; i < std::size(large); ++i) {
    JANG_ASSIGN(*of_weights[i], reserve(large[i], kColumns));
  }
  step.latent_rate = step.scale_rate = step.bias_rate = 1e-3f;
  device.backward()->train(step);
  JANG_TRY(device.wait());
  const Stopwatch watch;
  device.backward()->train(step);
  JANG_TRY(device.wait());
  return (1.0 / (kRows * kColumns)) * watch.cost();
}

// Of a model that may have to run: loaded where `runs`.
struct Measured {
  Speeds speeds;
  std::unique_ptr<engine::Engine> engine;
};
Result<Measured> measure_speeds(const std::string& directory, const RunOptions& run, bool feedback, bool runs) {
  Measured m;
  const int threads = run.threads > 0 ? run.threads : available_threads();
  ThreadPool own(threads);
  // Quantizing is done by the host's threads whatever the device.
  JANG_ASSIGN(const std::unique_ptr<kernels::Device> device, kernels::open_device(run.backend, &own));
  JANG_ASSIGN(m.speeds.encode, quantize::measure_encode_speeds(*device, own, feedback));
  if (!runs) return m;
  RunOptions silent = run;
  silent.observer = nullptr;
  JANG_ASSIGN(m.engine, engine::Engine::load(directory, load_options(silent, kernels::Precision::exact)));
  JANG_ASSIGN(m.speeds.pass, engine::measure_pass_speeds(*m.engine));
  JANG_ASSIGN(m.speeds.trained, measure_training(m.engine->device()));
  return m;
}

void append(std::vector<WorkPart> more, std::vector<WorkPart>* parts) {
  for (WorkPart& part : more) {
    const auto same = std::ranges::find(*parts, part.name, &WorkPart::name);
    if (same == parts->end())
      parts->push_back(std::move(part));
    else
      same->cost += part.cost;
  }
}

}  // namespace

Result<std::vector<EffortLevel>> estimate_effort(const std::string& name, const PlanOptions& options, int most,
                                                 const DistillationOptions& distillation, const RunOptions& run) {
  if (most < 0 || most > kMostEffort) return Status(StatusCode::invalid_argument, fmt::format("effort {} is no level", most));
  JANG_ASSIGN(const plan::Options planner, planner_options(options));
  JANG_ASSIGN(const std::string directory, find_input(name, run));
  Result<quantize::Source> source = quantize::open_source(directory, {.lenient = run.lenient}, *planner.target);
  if (!source.ok()) return as_input_failure(source.status());
  const Result<arch::DecoderConfig> config = arch::decoder_config(source->model);
  JANG_ASSIGN(const Measured measured, measure_speeds(directory, run, most >= 3, most >= 2 && config.ok()));
  const EffortWork work(source->model, config.ok() ? &*config : nullptr, planner, measured.speeds);
  JANG_ASSIGN(const calibrate::Options calibrator, calibrator_options(options.calibration));
  std::vector<EffortLevel> levels;
  for (int level = 0; level <= most; ++level) {
    PlanOptions at = options;
    JANG_TRY(set_effort(level, &at));
    if (level >= 2 && !config.ok()) {
      levels.push_back({.level = level, .refusal = config.status().message()});
      continue;
    }
    calibrate::Options calibration = calibrator;
    calibration.sensitivities = plan::needs_errors(planner);
    if (level >= 3 && calibration.windows.n_windows < calibrate::kGramWindows) {
      calibration.measured_windows = calibration.windows.n_windows;
      calibration.windows.n_windows = calibrate::kGramWindows;
    }
    std::vector<WorkPart> parts;
    if (level >= 2) append(work.calibration(calibration), &parts);
    append(work.conversion(plan_method(at.method), level >= 2 ? &calibration : nullptr,
                           options.correction_rounds.value_or(calibrate::usual_rounds(source->model))),
           &parts);
    if (level == kMostEffort) append(work.distillation(distillation), &parts);
    levels.push_back(level_of(level, std::move(parts)));
  }
  return levels;
}

Result<EffortLevel> estimate_calibration(const std::string& name, const CalibrationOptions& options, const RunOptions& run) {
  // A given text is not read, since it may be a pipe: as many windows of it cost what random ones do.
  CalibrationOptions unread = options;
  if (unread.text == CalibrationText::file) unread.text = CalibrationText::random;
  JANG_ASSIGN(const calibrate::Options calibrator, calibrator_options(unread));
  JANG_ASSIGN(const std::string directory, find_input(name, run));
  Result<quantize::Source> source = quantize::open_source(directory, {.lenient = run.lenient});
  if (!source.ok()) return as_input_failure(source.status());
  JANG_ASSIGN(const arch::DecoderConfig config, arch::decoder_config(source->model));
  JANG_ASSIGN(const Measured measured, measure_speeds(directory, run, false, true));
  const plan::Options planner;
  return level_of(0, EffortWork(source->model, &config, planner, measured.speeds).calibration(calibrator));
}

}  // namespace jang
