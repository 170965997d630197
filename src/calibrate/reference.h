// SPDX-License-Identifier: Apache-2.0
// What the source predicts at some positions of a text, and how far other predictions are from it: KL(source || other).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/engine.h"
#include "jang/status.h"
#include "model/workspace.h"

namespace jang::calibrate {

// Of a vocabulary so large no more positions than these can be scored: their predictions are kept.
[[nodiscard]] std::int64_t most_positions(std::int64_t vocab);

class Reference {
 public:
  // Of a text of `n_tokens`. `max_positions`: compared, spread evenly; fewer when the vocabulary is large. `engine` outlives this.
  Reference(engine::Engine& engine, std::int64_t n_tokens, std::int64_t max_positions);

  // Rows of the text that are compared, ascending.
  [[nodiscard]] const std::vector<std::int32_t>& positions() const { return positions_; }
  // Keeps the predictions of the last hidden states x [n_tokens, hidden], with the head that the decoder has now. Errors: out_of_memory;
  // those of Engine::logits.
  [[nodiscard]] Status keep(const kernels::Tensor& x);
  // The divergence at every position of what x predicts with the head of now. Errors: as of keep.
  [[nodiscard]] Result<std::vector<double>> divergences(const kernels::Tensor& x);
  // Their mean, not below 0.
  [[nodiscard]] Result<double> divergence(const kernels::Tensor& x);

 private:
  // Calls f(position index, logits) for all positions, from any thread.
  Status for_each(const kernels::Tensor& x, const std::function<void(std::int64_t, const float*)>& f);

  engine::Engine& engine_;
  std::int64_t vocab_, hidden_;
  std::vector<std::int32_t> positions_;
  std::vector<float> p_;              // [positions, vocab] probabilities of the source
  std::vector<double> entropy_term_;  // sum_i p_i log p_i
  model::Array scored_, indices_;     // rows and their indices, on the device
};

}  // namespace jang::calibrate
