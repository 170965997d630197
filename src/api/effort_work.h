// SPDX-License-Identifier: Apache-2.0
// Counts of what the levels of effort do, times what one of each takes. Pure. Inside src/api only.
//
//   level 0, 1  every weight once through the encoder; `auto`: a sample of it at every choice before
//   level 2     + text drawn, a pass for the activations, gradients, anchors of a mixture, the allocation measured as a whole
//   level 3     + more text, Gram matrices: a pass, tokens * columns^2 / 2 products, columns^3; columns more for every weight
//   level 4     + steps: source and bundle forwards, bundle back, Adam; the text of the steps, measurements, short runs
#pragma once

#include <string>
#include <vector>

#include "arch/arch.h"
#include "arch/decoder_config.h"
#include "base/cost.h"
#include "calibrate/calibrate.h"
#include "engine/pass_speed.h"
#include "jang/distill.h"
#include "jang/effort.h"
#include "plan/plan.h"
#include "quantize/encode_speed.h"

namespace jang {

struct Speeds {
  quantize::EncodeSpeeds encode;
  engine::PassSpeeds pass;  // zeros where nothing has to run
  Cost trained{};           // a step of Adam, a weight
};

struct WorkPart {
  std::string name;
  Cost cost;
};

// `config`: null where the model does not run here, which levels above 1 need.
class EffortWork {
 public:
  EffortWork(const arch::Model& model, const arch::DecoderConfig* config, const plan::Options& planner, const Speeds& speeds)
      : model_(model), config_(config), planner_(planner), speeds_(speeds) {}

  // Parts of a calibration: as calibrate::phases_of names them.
  [[nodiscard]] std::vector<WorkPart> calibration(const calibrate::Options& options) const;
  // Parts of planning and quantizing with a method; `calibrated`: by a calibration with these options, `rounds` corrections, else null.
  [[nodiscard]] std::vector<WorkPart> conversion(plan::Method method, const calibrate::Options* calibrated, int rounds) const;
  [[nodiscard]] std::vector<WorkPart> distillation(const DistillationOptions& options) const;

 private:
  [[nodiscard]] double weights() const;           // that can be packed
  [[nodiscard]] double measured_weights() const;  // times choices: what `measure` encodes
  [[nodiscard]] Cost forward(double tokens) const { return tokens * (speeds_.pass.layers + speeds_.pass.head); }
  // A forward, divergences included, from the layer of every unit on, summed over the units: what it is to try each once.
  [[nodiscard]] Cost every_unit(double tokens) const;
  [[nodiscard]] Cost grams(double tokens) const;
  [[nodiscard]] Cost feedback() const;

  const arch::Model& model_;
  const arch::DecoderConfig* config_;
  const plan::Options& planner_;
  const Speeds& speeds_;
};

// Sorted, the largest first; what takes nothing is left out.
[[nodiscard]] EffortLevel level_of(int level, std::vector<WorkPart> parts);

}  // namespace jang
