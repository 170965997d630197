// SPDX-License-Identifier: Apache-2.0
// Self-calibration for recipes that ask for it (:self): done when the first of them needs it, kept as WORK/stats.safetensors, taken up
// again when it was interrupted.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "format/statistics.h"
#include "jang/status.h"
#include "quantize/convert.h"

namespace jang::experiment {

// Not thread safe.
class SelfCalibration {
 public:
  // `directory`: the source; `work` exists. Nothing is loaded yet. `load` says where (threads, device); the arithmetic is always exact.
  SelfCalibration(std::string directory, std::string work, engine::LoadOptions load, const quantize::RunOptions& run);

  // Statistics of the source, which outlive the conversions. Errors: those of loading and calibrating, write errors; cancelled.
  [[nodiscard]] Result<const format::Statistics*> statistics(const quantize::Source& source);
  // The plan of `auto`, allocated by them (`planning.statistics`) and corrected once. Errors: those of planning.
  [[nodiscard]] Result<plan::Plan> plan(const quantize::Source& source, const plan::Options& options, const quantize::RunOptions& planning);

  // That the calibration took; none where an earlier run's was taken up.
  [[nodiscard]] std::optional<double> seconds() const { return seconds_; }

  // Makes the plan one of activation-aware scaling, by these statistics. Errors: those of the search.
  [[nodiscard]] Status find_scales(const quantize::Source& source, const quantize::RunOptions& planning, plan::Plan* plan);

 private:
  Status load();

  std::string directory_, work_;
  engine::LoadOptions load_;
  quantize::RunOptions run_;
  std::unique_ptr<engine::Engine> engine_;
  std::optional<format::Statistics> known_;
  std::optional<double> seconds_;
};

}  // namespace jang::experiment
