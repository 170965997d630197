// SPDX-License-Identifier: Apache-2.0
// Gram matrices E[x x^T] of the inputs of every linear map, taken from the running source model while it reads the windows once, layer by
// layer: hidden states of all windows roll forward, and the matrices of one layer are in memory at a time (inputs^2 * 12 bytes a map, two
// of its matrices in double while they are factorized).
//
// A routed expert has a matrix of its own, drawn towards the one over all experts:  H = (n H_expert + 64 H_all) / (n + 64),  n inputs seen.
#pragma once

#include <cstdint>
#include <memory>

#include "base/log.h"
#include "calibrate/text.h"
#include "engine/engine.h"
#include "quantize/grams.h"

namespace jang::calibrate {

// Windows of 512 tokens: 32,768 tokens for the largest maps, whose matrices have some thousand columns.
inline constexpr std::int64_t kGramWindows = 64;
// For choosing one exponent for many channels less will do, but not a handful: with eight windows more is chosen than carries over.
inline constexpr std::int64_t kScaleWindows = 32;

class ModelGrams final : public quantize::Grams {
 public:
  // The engine holds the source with exact arithmetic; tensors are counted as in `model`, the same source as a target spells it. All three
  // outlive the matrices. `cancel` may be null.
  ModelGrams(engine::Engine& engine, const arch::Model& model, const Windows& windows, const CancelFlag* cancel);
  ~ModelGrams() override;

  [[nodiscard]] Status prepare(int stage) override;
  [[nodiscard]] const kernels::Gram* of(int tensor, std::int64_t expert) const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jang::calibrate
