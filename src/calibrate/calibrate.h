// SPDX-License-Identifier: Apache-2.0
// Self-calibration, start to end: text, input moments, sensitivities. The result is format::Statistics.
//
// Sensitivities come from gradients (fisher.h): a forward and a backward per window. Of a mixture a few units are tried as well, anchors
// for what gradients cannot see, the choice of experts (quantize/fisher_costs.h). Where the device has no gradients, or by `trials`, every
// unit is tried at every width.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate/sensitivity.h"
#include "calibrate/text.h"
#include "format/statistics.h"

namespace jang::calibrate {

enum class TextKind : std::uint8_t { self, file, random };
[[nodiscard]] std::string_view to_string(TextKind kind);

struct Options {
  TextKind text = TextKind::self;
  std::string given;  // the text, for TextKind::file
  TextOptions windows;
  bool sensitivities = true;
  bool trials = false;                     // of every unit, in the place of gradients
  std::int64_t measured_windows = 0;       // of the windows, for gradients and trials: the first so many; 0: all
  std::vector<int> widths = {6, 4, 3, 2};  // at which every unit is tried alone
  std::int64_t max_positions = 4096;       // scored per trial
  double budget_seconds = 0;               // for the trials; 0: no limit. Too little: economy.h
  EncodeOptions encode;
  std::string partial_path;  // finished trials are kept here and taken up again; empty: none
};

// What calibrate() announces, in order: for whoever numbers the phases of a command. `is_mixture`: the model has routed experts;
// `has_gradients`: the device computes them. A calibration that is taken up begins later in the list.
[[nodiscard]] std::vector<std::string_view> phases_of(const Options& options, bool is_mixture, bool has_gradients);

// Phases: those of phases_of. Errors: those of the parts; cancelled (what was finished is in partial_path).
[[nodiscard]] Result<format::Statistics> calibrate(engine::Engine& engine, const Options& options, Observer& observer,
                                                   const CancelFlag* cancel);

// The text of a statistics file, and the windows of it that sensitivities were measured on.
[[nodiscard]] Windows windows_of(const format::Statistics& statistics);
[[nodiscard]] Windows measured_windows_of(const format::Statistics& statistics);

}  // namespace jang::calibrate
