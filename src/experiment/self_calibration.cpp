// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "experiment/self_calibration.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/clock.h"
#include "calibrate/allocate.h"
#include "calibrate/calibrate.h"
#include "calibrate/model_grams.h"
#include "calibrate/scale_trial.h"
#include "quantize/importance.h"
#include "quantize/scale_search.h"

namespace jang::experiment {
namespace {

constexpr int kRounds = 1;  // of correction of a plan

}  // namespace

SelfCalibration::SelfCalibration(std::string directory, std::string work, engine::LoadOptions load, const quantize::RunOptions& run)
    : directory_(std::move(directory)), work_(std::move(work)), load_(std::move(load)), run_(run) {
  load_.precision = kernels::Precision::exact;
  load_.kv_type.reset();
}

Status SelfCalibration::load() {
  if (engine_) return {};
  JANG_ASSIGN(engine_, engine::Engine::load(directory_, load_));
  return {};
}

Result<const format::Statistics*> SelfCalibration::statistics(const quantize::Source& source) {
  const std::string path = work_ + "/stats.safetensors";
  std::error_code ec;
  if (!known_ && std::filesystem::exists(path, ec)) {
    Result<format::Statistics> found = format::read_statistics(path);
    if (found.ok() && found->model == quantize::fingerprint(source.model)) known_ = std::move(found).value();
  }
  if (!known_) {
    JANG_TRY(load());
    calibrate::Options o;
    o.encode.param_dtype = plan::param_dtype(source.model, {});
    o.partial_path = path + ".partial";
    const auto start = Clock::now();
    SilentObserver silent;
    JANG_ASSIGN(known_, calibrate::calibrate(*engine_, o, run_.observer != nullptr ? *run_.observer : silent, run_.cancel));
    JANG_TRY(format::write_statistics(*known_, path));
    std::filesystem::remove(o.partial_path, ec);
    seconds_ = seconds_since(start);
  }
  return &*known_;
}

Result<plan::Plan> SelfCalibration::plan(const quantize::Source& source, const plan::Options& options,
                                         const quantize::RunOptions& planning) {
  JANG_TRY(load());
  JANG_ASSIGN(calibrate::MeasuredPlan measured,
              calibrate::allocate_measured(*engine_, source, options, planning, kRounds, calibrate::Options{}.max_positions));
  return std::move(measured.plan);
}

Status SelfCalibration::find_scales(const quantize::Source& source, const quantize::RunOptions& planning, plan::Plan* plan) {
  JANG_TRY(load());
  const calibrate::Windows windows = calibrate::windows_of(*planning.statistics);
  calibrate::ModelGrams grams(*engine_, source.model, windows, planning.cancel);
  quantize::RunOptions run = planning;
  run.grams = &grams;
  JANG_TRY(quantize::search_scales(source, *planning.statistics, run, plan));
  if (std::ranges::none_of(plan->scaling, [](const plan::Scaling& s) { return s.exponent > 0; })) return {};
  SilentObserver silent;
  JANG_ASSIGN(const calibrate::Windows trial,
              calibrate::trial_windows(*engine_, *planning.statistics, run.observer != nullptr ? *run.observer : silent, run.cancel));
  return calibrate::try_scales(*engine_, source, trial, {}, planning, plan);
}

}  // namespace jang::experiment
