// SPDX-License-Identifier: Apache-2.0
// Windows of text on their way through a model, a layer at a time: hidden states on the host, so that only what a layer works on is on the
// device. 4 * hidden bytes a token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/log.h"
#include "calibrate/text.h"
#include "engine/engine.h"

namespace jang::distill {

class HiddenStates {
 public:
  // Behind the embedding. `engine` outlives them. Errors: those of the device.
  [[nodiscard]] static Result<HiddenStates> embed(engine::Engine& engine, const calibrate::Windows& windows);
  // Through layers [begin, end). Which windows run side by side changes nothing. Errors: those of the forward; cancelled.
  [[nodiscard]] Status advance(int begin, int end, const CancelFlag* cancel);

  [[nodiscard]] std::int64_t n_windows() const { return static_cast<std::int64_t>(values_.size()) / (length_ * width_); }
  [[nodiscard]] std::int64_t length() const { return length_; }
  // Of windows [first, first + n): [n * length, hidden].
  [[nodiscard]] std::span<const float> of(std::int64_t first, std::int64_t n) const {
    return std::span(values_).subspan(static_cast<std::size_t>(first * length_ * width_), static_cast<std::size_t>(n * length_ * width_));
  }

 private:
  HiddenStates(engine::Engine& engine, std::int64_t length, std::int64_t width) : engine_(&engine), length_(length), width_(width) {}
  engine::Engine* engine_;
  std::int64_t length_, width_;
  std::vector<float> values_;  // [windows, length, hidden]
};

}  // namespace jang::distill
