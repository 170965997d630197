// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "engine/pass_speed.h"

#include <algorithm>
#include <cmath>

#include "kernels/backward.h"
#include "model/backward.h"
#include "model/workspace.h"

namespace jang::engine {
namespace {

constexpr std::int64_t kProbedTokens = 512, kLeastTokens = 32;
constexpr double kProbedProducts = 2e9;                          // multiply-adds of a pass, about
constexpr std::int64_t kProbedWeights = std::int64_t{64} << 20;  // of the layers that are run
constexpr std::int64_t kProbedLogits = std::int64_t{1} << 20;    // of the head

// Takes gradients and forgets them.
class NoSink final : public model::GradientSink {
 public:
  Status weight(const model::WeightGradient&) override { return {}; }
};

class PassProbe {
 public:
  explicit PassProbe(Engine& engine)
      : engine_(engine), device_(engine.device()), decoder_(engine.decoder()), all_(decoder_.config().n_layers()) {
    const std::int64_t weights = std::max<std::int64_t>(weights_of_layer(), 1);
    layers_ = static_cast<int>(std::clamp<std::int64_t>(kProbedWeights / weights, 1, std::min(all_, 4)));
    const double fits = kProbedProducts / static_cast<double>(weights * layers_);
    tokens_ = std::clamp(static_cast<std::int64_t>(fits), kLeastTokens, kProbedTokens) / kLeastTokens * kLeastTokens;
    if (const std::int64_t most = decoder_.config().max_positions; most > 0) tokens_ = std::min(tokens_, most);
  }

  Result<PassSpeeds> operator()() {
    PassSpeeds speeds;
    const double to_all = static_cast<double>(all_) / layers_;
    if (!states_.reserve(device_, std::max(tokens_, kSampledBeside.back()) * width())) return no_room();
    JANG_TRY(fill(std::max(tokens_, kSampledBeside.back())));
    JANG_ASSIGN(speeds.layers, twice(tokens_, [&] { return forward(1, tokens_); }));
    speeds.layers = to_all * speeds.layers;
    const std::int64_t rows = std::clamp<std::int64_t>(kProbedLogits / decoder_.config().vocab, 4, tokens_);
    if (!logits_.reserve(device_, 2 * rows * decoder_.config().vocab) || !sums_.reserve(device_, rows)) return no_room();
    JANG_ASSIGN(speeds.head, twice(rows, [&] { return decoder_.head(x(rows), logits(0, rows)); }));
    if (device_.backward() != nullptr) {
      JANG_TRY(decoder_.head(x(rows), logits(rows, rows)));
      JANG_ASSIGN(speeds.divergence, twice(rows, [&] {
                    device_.backward()->divergence(logits(rows, rows), 1, logits(0, rows), sums_.matrix(rows, 1));
                    return device_.wait();
                  }));
      JANG_ASSIGN(speeds.layers_back, twice(tokens_, [&] { return back(); }));
      speeds.layers_back = to_all * speeds.layers_back;
    }
    for (std::size_t i = 0; i < kSampledBeside.size(); ++i) {
      const std::int64_t n = kSampledBeside[i];
      JANG_ASSIGN(const Cost of_layers, twice(n, [&] { return forward(n, 1); }));
      JANG_ASSIGN(const Cost of_draw, twice(n, [&] { return draw(n); }));
      speeds.sampled[i] = to_all * of_layers + of_draw;
    }
    return speeds;
  }

 private:
  [[nodiscard]] std::int64_t width() const { return decoder_.config().hidden; }
  [[nodiscard]] kernels::Tensor x(std::int64_t n) const { return states_.matrix(n, width()); }
  [[nodiscard]] kernels::Tensor logits(std::int64_t first, std::int64_t n) const {
    return logits_.matrix(first + n, decoder_.config().vocab).row_range(first, n);
  }
  static Status no_room() { return {StatusCode::out_of_memory, "no memory to measure the speed of the model"}; }

  // Of the first layer: all of it, experts that a token does not meet included.
  [[nodiscard]] std::int64_t weights_of_layer() const {
    std::int64_t n = 0;
    for (const std::string& module : decoder_.modules_of(0))
      for (const kernels::MatrixView& m : decoder_.matrices(module)) n += m.n_rows * m.n_cols;
    return n;
  }
  // Embeddings of tokens that are all different, as far as there are so many.
  Status fill(std::int64_t n) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < ids.size(); ++i)
      ids[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(i) * 7919 % decoder_.config().vocab);
    return decoder_.embed(ids, x(n));
  }
  Status forward(std::int64_t n, std::int64_t length) {
    std::vector<model::Sequence> sequences;
    std::vector<model::BatchItem> batch;
    for (std::int64_t i = 0; i < n; ++i) sequences.push_back(engine_.new_sequence());
    for (model::Sequence& s : sequences) batch.push_back({&s, length});
    return decoder_.layers(batch, 0, layers_, x(n * length));
  }
  Status back() {
    if (!gradients_) {
      JANG_ASSIGN(model::Gradients made, model::Gradients::create(decoder_));
      gradients_.emplace(std::move(made));
    }
    if (!gradient_.reserve(device_, tokens_ * width())) return no_room();
    NoSink sink;
    for (int l = 0; l < layers_; ++l) {
      JANG_ASSIGN(const kernels::Tensor after, gradients_->forward_layer(l, x(tokens_), tokens_));
      device_.copy(after, gradient_.matrix(tokens_, width()));
      JANG_TRY(gradients_->backward_layer(gradient_.matrix(tokens_, width()), sink));
    }
    return {};
  }
  Status draw(std::int64_t n) {
    hidden_.resize(static_cast<std::size_t>(n * width()));
    JANG_TRY(device_.read(x(n), hidden_.data()));
    std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
    const std::vector<double> at(ids.size(), 0.5);
    return engine_.draw(hidden_.data(), at, ids.data());
  }
  // Of one of n tokens: the lesser of two runs, since the first makes room.
  template <typename F>
  Result<Cost> twice(std::int64_t n, const F& run) {
    Cost least;
    for (int i = 0; i < 2; ++i) {
      const Stopwatch watch;
      JANG_TRY(run());
      const Cost cost = watch.cost();
      if (i == 0 || cost.wall < least.wall) least.wall = cost.wall;
      if (i == 0 || cost.cpu < least.cpu) least.cpu = cost.cpu;
    }
    return (1 / static_cast<double>(n)) * least;
  }

  Engine& engine_;
  kernels::Device& device_;
  model::Decoder& decoder_;
  int all_, layers_ = 1;
  std::int64_t tokens_ = 0;
  model::Array states_, logits_, sums_, gradient_;
  std::optional<model::Gradients> gradients_;
  std::vector<float> hidden_;
};

}  // namespace

Result<PassSpeeds> measure_pass_speeds(Engine& engine) { return PassProbe(engine)(); }

Cost sampled_beside(const PassSpeeds& speeds, std::int64_t n) {
  std::size_t i = 0;
  while (i + 2 < kSampledBeside.size() && n > kSampledBeside[i + 1]) ++i;
  const double low = std::log(static_cast<double>(kSampledBeside[i])), high = std::log(static_cast<double>(kSampledBeside[i + 1]));
  const double part = std::clamp((std::log(static_cast<double>(std::max<std::int64_t>(n, 1))) - low) / (high - low), 0.0, 1.0);
  Cost cost = (1 - part) * speeds.sampled[i] + part * speeds.sampled[i + 1];
  // Fewer tokens than were measured: a step costs as much, and fewer share it.
  if (n < kSampledBeside.front())
    cost = static_cast<double>(kSampledBeside.front()) / static_cast<double>(std::max<std::int64_t>(n, 1)) * cost;
  return cost;
}

}  // namespace jang::engine
