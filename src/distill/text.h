// SPDX-License-Identifier: Apache-2.0
// The text of a distillation: fresh windows for every step, sampled from the source, and windows that are never trained on. Where the user
// gives text, half of the windows of a step come from it, in turn, and a part of it is held out.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "calibrate/text.h"

namespace jang::distill {

struct TextOptions {
  std::int64_t n_windows = 16, length = 512;  // of a step
  std::int64_t n_held_out = 16;
  std::uint64_t seed = 1;
  std::int64_t n_steps = 300;  // of the whole: none are sampled beyond them
  std::string given = {};      // text of the user's, may be empty
};

class Text {
 public:
  // `source` outlives the text. Errors: invalid_argument (options; given text that is shorter than two windows).
  [[nodiscard]] static Result<Text> create(engine::Engine& source, const TextOptions& options, Observer& observer,
                                           const CancelFlag* cancel);
  [[nodiscard]] const calibrate::Windows& held_out() const { return held_out_; }
  // What a step trains on; depends on the options and the number of the step only, and is sampled once. Errors: those of sampling;
  // cancelled.
  [[nodiscard]] Result<calibrate::Windows> of_step(std::int64_t step);
  // Steps whose text is sampled together, when the first of them asks for it.
  [[nodiscard]] std::int64_t steps_at_once() const;

 private:
  Text(engine::Engine& source, const TextOptions& options, const CancelFlag* cancel)
      : source_(source), options_(options), cancel_(cancel) {}
  [[nodiscard]] std::int64_t sampled_per_step() const;

  engine::Engine& source_;
  TextOptions options_;
  const CancelFlag* cancel_;
  calibrate::Windows held_out_, given_;                 // given_ without what is held out
  std::map<std::int64_t, calibrate::Windows> sampled_;  // by batch of steps
};

}  // namespace jang::distill
