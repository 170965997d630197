// SPDX-License-Identifier: Apache-2.0
// Self-calibration: what a model shows of itself, on text that it samples, kept in a file that planning and converting take.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "jang/export.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

enum class CalibrationText : std::uint8_t {
  self,    // sampled by the model
  file,    // given
  random,  // random ids: cheap, and serves no sensitivities
};

struct CalibrationOptions {
  CalibrationText text = CalibrationText::self;
  std::string text_file = {};        // for CalibrationText::file: a text, or a directory of .txt files
  std::int64_t n_windows = 0;        // windows of text; 0: 8, and as many more as the method of a conversion asks for
  std::int64_t window_length = 512;  // tokens in each
  std::uint64_t seed = 1;            // of the sampled text
  bool sensitivities = true;         // also: what divergence the units cost, from gradients
  // Sensitivities from trials in the place of gradients: quantizes every unit alone at several widths and measures. Takes far longer.
  bool trials = false;
  double budget_seconds = 900;  // for the trials, about; 0: no limit
};

struct SensitivityPoint {
  int bits = 0, group_size = 0;
  double error = 0;       // relative squared error of the unit, weighted by its inputs
  double divergence = 0;  // KL(source || model with that unit alone quantized), nats per token
};

struct UnitSensitivity {
  std::string unit;                      // tensors that are decided together, by their common name
  std::vector<SensitivityPoint> points;  // by falling error
};

struct CalibrationReport {
  std::string text;                              // "self", "file", "random"
  std::int64_t n_tokens = 0, window_length = 0;  // of the text
  std::int64_t n_modules = 0;                    // whose inputs were measured
  std::int64_t n_gradients = 0;                  // modules that have squared gradients
  std::int64_t gradient_positions = 0;           // scored by them
  std::int64_t positions = 0;                    // scored for each sensitivity that was measured by trials
  std::string digest;                            // of merged files
  std::vector<UnitSensitivity> sensitivities;    // by trials: of every unit, or of a few of a mixture beside gradients
};

// Measures the source model `name` (directory or org/name) and writes `output`, which is absent, old or complete at any time. What an
// interrupted calibration finished is in "<output>.partial" and taken up again. Seconds to hours of computing. Observed as the phases that
// run, of: text, activations, gradients, anchors (a mixture's few trials beside gradients), or sensitivities (trials). Errors:
// invalid_argument (options), unsupported (a model that is quantized already), those of opening, write errors, cancelled.
[[nodiscard]] JANG_API Result<CalibrationReport> calibrate_model(const std::string& name, const std::string& output,
                                                                 const CalibrationOptions& options = {}, const RunOptions& run = {});
// Adds up statistics of the same model. Errors: invalid_argument (none, another model), corrupt, not_found, write errors.
[[nodiscard]] JANG_API Result<CalibrationReport> merge_statistics(std::span<const std::string> files, const std::string& output);

}  // namespace jang
