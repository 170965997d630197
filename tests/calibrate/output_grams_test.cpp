// SPDX-License-Identifier: Apache-2.0
// Gram matrices of gradients behind layers: they promise the divergence that noise in the hidden states really causes.
#include "calibrate/output_grams.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "bundled_model.h"
#include "kernels/host_ops.h"

namespace jang::calibrate {
namespace {

// Logits of a window whose states behind a layer are off by `noise`.
std::vector<float> logits_with(engine::Engine& engine, const Windows& window, int layer, const std::vector<float>& noise) {
  model::Decoder& decoder = engine.decoder();
  const std::int64_t n = window.length, width = decoder.config().hidden, vocab = decoder.config().vocab;
  model::Array states, out;
  EXPECT_TRUE(states.reserve(engine.device(), n * width) && out.reserve(engine.device(), n * vocab));
  const kernels::Tensor x = states.matrix(n, width), logits = out.matrix(n, vocab);
  model::Sequence sequence = engine.new_sequence();
  const model::BatchItem batch[] = {{&sequence, n}};
  EXPECT_TRUE(decoder.embed(window.tokens, x).ok() && decoder.layers(batch, 0, layer + 1, x).ok());
  std::vector<float> values(static_cast<std::size_t>(n * width));
  EXPECT_TRUE(engine.device().read(x, values.data()).ok());
  for (std::size_t i = 0; i < noise.size(); ++i) values[i] += noise[i];
  EXPECT_TRUE(engine.device().write(values.data(), x).ok());
  EXPECT_TRUE(decoder.layers(batch, layer + 1, decoder.config().n_layers(), x).ok() && decoder.head(x, logits).ok());
  std::vector<float> result(static_cast<std::size_t>(n * vocab));
  EXPECT_TRUE(engine.device().read(logits, result.data()).ok());
  return result;
}

double divergence_of_logits(const std::vector<float>& p, const std::vector<float>& q, std::size_t vocab) {
  double sum = 0;
  for (std::size_t row = 0; row < p.size(); row += vocab) {
    const double a = kernels::log_sum_exp(p.data() + row, static_cast<std::int64_t>(vocab)),
                 b = kernels::log_sum_exp(q.data() + row, static_cast<std::int64_t>(vocab));
    for (std::size_t i = row; i < row + vocab; ++i)
      sum += std::exp(static_cast<double>(p[i]) - a) * (static_cast<double>(p[i]) - a - static_cast<double>(q[i]) + b);
  }
  return sum;
}

TEST(CalibrateOutputGrams, promise_the_divergence_of_noise_and_threads_change_nothing) {
  const auto one = load(1), two = load(2);
  ASSERT_TRUE(one && two);
  const std::int64_t length = 48;
  const auto windows = sample_windows(*one, {.n_windows = 4, .length = length, .seed = 5}, silent, nullptr);
  ASSERT_TRUE(windows.ok());
  const auto a = measure_output_grams(*one, *windows, 7, silent, nullptr), b = measure_output_grams(*two, *windows, 7, silent, nullptr);
  ASSERT_TRUE(a.ok() && b.ok()) << a.status().message();
  EXPECT_EQ(a->by_layer, b->by_layer);
  EXPECT_EQ(a->positions, 4 * length);
  const auto width = static_cast<std::size_t>(one->decoder().config().hidden),
             vocab = static_cast<std::size_t>(one->decoder().config().vocab);
  for (std::size_t layer = 0; layer < a->by_layer.size(); ++layer) {
    const std::vector<float>& g = a->by_layer[layer];
    std::mt19937 random(3);
    std::normal_distribution<float> normal(0, 0.01f);
    double promised = 0, measured = 0;
    for (std::int64_t w = 0; w < windows->n(); ++w) {
      const Windows window{{windows->tokens.begin() + w * length, windows->tokens.begin() + (w + 1) * length}, length};
      std::vector<float> noise(static_cast<std::size_t>(length) * width);
      for (float& v : noise) v = normal(random);
      for (std::size_t at = 0; at < noise.size(); at += width)
        for (std::size_t i = 0; i < width; ++i)
          for (std::size_t j = 0; j < width; ++j)
            promised +=
                0.5 * static_cast<double>(noise[at + i]) * static_cast<double>(g[i * width + j]) * static_cast<double>(noise[at + j]);
      measured += divergence_of_logits(logits_with(*two, window, static_cast<int>(layer), {}),
                                       logits_with(*two, window, static_cast<int>(layer), noise), vocab);
    }
    // The last position of a window counts in what is measured and has no cotangent; one draw of signs; the damping. Before a router
    // gradients do not see that other experts are chosen, which adds to what is measured.
    if (layer + 1 == a->by_layer.size()) {
      EXPECT_NEAR(promised / measured, 1, 0.2);
    } else {
      EXPECT_GT(promised / measured, 0.4) << layer;
      EXPECT_LT(promised / measured, 1.2) << layer;
    }
  }
}

}  // namespace
}  // namespace jang::calibrate
