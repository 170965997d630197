// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/hidden_states.h"

#include <algorithm>

#include <fmt/format.h>

#include "model/layers_alone.h"
#include "model/workspace.h"

namespace jang::distill {
namespace {

constexpr std::int64_t kForwardTokens = 4096;  // of one forward

Status no_memory(std::int64_t n) { return {StatusCode::out_of_memory, fmt::format("no memory for the hidden states of {} tokens", n)}; }

}  // namespace

Result<HiddenStates> HiddenStates::embed(engine::Engine& engine, const calibrate::Windows& windows) {
  JANG_TRY(model::check_layers_alone(engine.decoder().config()));
  const std::int64_t width = engine.decoder().config().hidden, n = static_cast<std::int64_t>(windows.tokens.size());
  HiddenStates out(engine, windows.length, width);
  out.values_.resize(static_cast<std::size_t>(n * width));
  model::Array array;
  const std::int64_t step = std::min(n, kForwardTokens);
  if (!array.reserve(engine.device(), step * width)) return no_memory(step);
  for (std::int64_t first = 0; first < n; first += step) {
    const std::int64_t count = std::min(step, n - first);
    const kernels::Tensor x = array.matrix(count, width);
    JANG_TRY(
        engine.decoder().embed(std::span(windows.tokens).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)), x));
    JANG_TRY(engine.device().read(x, out.values_.data() + first * width));
  }
  return out;
}

Status HiddenStates::advance(int begin, int end, const CancelFlag* cancel) {
  const std::int64_t n = n_windows(), at_once = std::clamp<std::int64_t>(kForwardTokens / length_, 1, std::max<std::int64_t>(n, 1));
  model::Array array;
  if (!array.reserve(engine_->device(), at_once * length_ * width_)) return no_memory(at_once * length_);
  std::vector<model::Sequence> sequences;
  for (std::int64_t i = 0; i < std::min(at_once, n); ++i) sequences.push_back(engine_->new_sequence());
  for (std::int64_t first = 0; first < n; first += at_once) {
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "distillation stopped"};
    const std::int64_t count = std::min(at_once, n - first);
    std::vector<model::BatchItem> batch;
    for (std::int64_t i = 0; i < count; ++i) batch.push_back({&sequences[static_cast<std::size_t>(i)], length_});
    const kernels::Tensor x = array.matrix(count * length_, width_);
    float* values = values_.data() + first * length_ * width_;
    JANG_TRY(engine_->device().write(values, x));
    JANG_TRY(engine_->decoder().layers(batch, begin, end, x));
    JANG_TRY(engine_->device().read(x, values));
    for (std::int64_t i = 0; i < count; ++i) sequences[static_cast<std::size_t>(i)] = engine_->new_sequence();
  }
  return {};
}

}  // namespace jang::distill
