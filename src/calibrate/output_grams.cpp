// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "calibrate/output_grams.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "calibrate/fisher.h"
#include "kernels/gram.h"
#include "model/backward.h"
#include "model/workspace.h"

namespace jang::calibrate {
namespace {

// Outer products of what comes by on the way back.
class OutputSums final : public model::GradientSink {
 public:
  explicit OutputSums(model::Decoder& decoder)
      : device_(decoder.device()), hidden_(decoder.config().hidden), sums_(decoder.config().layers.size()) {}

  Status start() {
    const std::vector<float> zeros(static_cast<std::size_t>(hidden_ * hidden_));
    for (model::Array& sum : sums_) {
      if (!sum.reserve(device_, hidden_ * hidden_))
        return {StatusCode::out_of_memory, fmt::format("no memory for a matrix of {0} x {0} values a layer", hidden_)};
      JANG_TRY(device_.write(zeros.data(), sum.matrix(hidden_, hidden_)));
    }
    return {};
  }
  Status weight(const model::WeightGradient&) override { return {}; }
  [[nodiscard]] bool wants_weights() const override { return false; }
  Status behind_layer(int layer, const kernels::Tensor& gradient) override {
    device_.gram(gradient, sums_[static_cast<std::size_t>(layer)].matrix(hidden_, hidden_));
    return {};
  }

  // The mean over `positions`, both triangles, damped.
  Result<std::vector<float>> mean(std::size_t layer, std::int64_t positions) {
    const auto n = static_cast<std::size_t>(hidden_);
    std::vector<float> g(n * n);
    JANG_TRY(device_.read(sums_[layer].matrix(hidden_, hidden_), g.data()));
    const double scale = 1 / static_cast<double>(positions);
    double trace = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = i; j < n; ++j) g[j * n + i] = g[i * n + j] = static_cast<float>(scale * static_cast<double>(g[i * n + j]));
      trace += static_cast<double>(g[i * n + i]);
    }
    if (!std::isfinite(trace)) return Status(StatusCode::unsupported, fmt::format("the gradients behind layer {} exceed float32", layer));
    for (std::size_t i = 0; i < n; ++i) g[i * n + i] += static_cast<float>(kernels::kGramDamping * trace / static_cast<double>(n));
    return g;
  }

 private:
  kernels::Device& device_;
  std::int64_t hidden_;
  std::vector<model::Array> sums_;
};

}  // namespace

Result<OutputGrams> measure_output_grams(engine::Engine& engine, const Windows& windows, std::uint64_t seed, Observer& observer,
                                         const CancelFlag* cancel) {
  const std::int64_t hidden = engine.decoder().config().hidden;
  if (hidden % 32 != 0) return Status(StatusCode::unsupported, fmt::format("hidden states of {} values: no multiple of 32", hidden));
  JANG_ASSIGN(model::Gradients gradients, model::Gradients::create(engine.decoder()));
  OutputSums sums(engine.decoder());
  JANG_TRY(sums.start());
  OutputGrams out;
  for (std::int64_t w = 0; w < windows.n(); ++w) {
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "stopped at the gradients");
    const std::span tokens(windows.tokens.data() + w * windows.length, static_cast<std::size_t>(windows.length));
    JANG_ASSIGN(const kernels::Tensor logits, gradients.forward(tokens, windows.length));
    JANG_TRY(put_cotangents(engine, logits, seed, w));
    JANG_TRY(gradients.backward(logits, sums));
    out.positions += windows.length;
    observer.tick(w + 1, windows.n(), "gradients");
  }
  for (std::size_t l = 0; l < engine.decoder().config().layers.size(); ++l) {
    JANG_ASSIGN(std::vector<float> mean, sums.mean(l, out.positions));
    out.by_layer.push_back(std::move(mean));
  }
  return out;
}

}  // namespace jang::calibrate
