// SPDX-License-Identifier: Apache-2.0
// How much the model's predictions change when one unit is stored otherwise: KL(source || changed) on the windows, by experiment.
//
// Trials of a layer start from the hidden states before it, computed once: only what lies behind a changed layer runs again. Predictions
// are compared at sampled positions, so that a large vocabulary does not decide the cost.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arch/units.h"
#include "calibrate/storage.h"
#include "calibrate/text.h"

namespace jang::calibrate {

struct Trial {
  const arch::Unit* unit = nullptr;
  plan::Choice choice;    // bits 0: the source's own storage
  double error = 0;       // filled in: relative squared error of the unit so stored
  double divergence = 0;  // filled in
};

class Laboratory {
 public:
  // Reads the windows once and keeps the source's predictions; `windows` and `importance` must outlive the laboratory. `max_positions`:
  // scored, spread evenly; fewer when the vocabulary is large. Errors: those of the forward.
  [[nodiscard]] static Result<Laboratory> create(engine::Engine& engine, const Windows& windows, std::int64_t max_positions,
                                                 const quantize::Importance& importance, const EncodeOptions& options);
  Laboratory(Laboratory&&) noexcept;
  ~Laboratory();

  // In graph order: those that a plan may quantize.
  [[nodiscard]] const std::vector<arch::Unit>& units() const;
  [[nodiscard]] std::int64_t positions() const;
  [[nodiscard]] double forward_seconds() const;  // of the one pass over the source: what a trial at the first layer costs

  // Stores every unit of `choices` so until the next call; units not named go back to the source's own. Returns the divergence of the
  // whole. A background makes trials answer: what if this unit alone were otherwise?
  [[nodiscard]] Result<double> set_background(const std::map<std::string, plan::Choice>& choices);
  // Runs the trials in the order of layers. Errors: cancelled; those of the forward.
  [[nodiscard]] Status run(std::vector<Trial>& trials, Observer& observer, const CancelFlag* cancel);

 private:
  struct Impl;
  explicit Laboratory(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace jang::calibrate
