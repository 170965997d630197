// SPDX-License-Identifier: Apache-2.0
// One module: it starts as the bundle, steps as Adam does, and what it computes with is what a file would hold.
#include "distill/trained_module.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "../support/test_device.h"
#include "base/float16.h"
#include "codec/affine.h"
#include "kernels/host_ops.h"

namespace jang::distill {
namespace {

constexpr std::int64_t kRows = 5, kColumns = 64;
constexpr int kGroup = 32;

// Packed matrices with random codes, and a source within a code of them.
struct Case {
  int bits;
  std::vector<std::uint8_t> codes;
  std::vector<std::uint16_t> scales, biases;
  std::vector<std::uint32_t> words;
  std::vector<float> source;
  ThreadPool pool{2};
  std::unique_ptr<kernels::Device> device = test::open_test_device(&pool).value();

  explicit Case(int width, std::int64_t matrices = 2) : bits(width) {
    std::mt19937 random(static_cast<unsigned>(width));
    std::uniform_real_distribution<float> uniform(0, 1);
    const auto n = static_cast<std::size_t>(matrices * kRows * kColumns);
    for (std::size_t i = 0; i < n; ++i) codes.push_back(static_cast<std::uint8_t>(random() & static_cast<unsigned>(codec::max_code(bits))));
    for (std::size_t i = 0; i < n / kGroup; ++i) {
      scales.push_back(float_to_bf16((uniform(random) + 0.5f) * (i % 3 == 1 ? -0.01f : 0.01f)));
      biases.push_back(float_to_bf16(uniform(random) - 0.5f));
    }
    scales[3] = 0;  // a group of equal weights
    words.resize(n * static_cast<std::size_t>(bits) / 32);
    codec::pack(codes, bits, words.data());
    for (std::size_t i = 0; i < n; ++i)
      source.push_back((static_cast<float>(codes[i]) + 2 * uniform(random) - 1) * scale(i / kGroup) + bias(i / kGroup));
  }
  float scale(std::size_t group) const { return bf16_to_float(scales[group]); }
  float bias(std::size_t group) const { return bf16_to_float(biases[group]); }

  std::vector<kernels::MatrixView> packed() const {
    std::vector<kernels::MatrixView> views;
    kernels::MatrixView all;
    all.format = {DType::u32, bits, kGroup, DType::bf16};
    all.n_rows = static_cast<std::int64_t>(codes.size()) / kColumns;
    all.n_cols = kColumns;
    all.data = reinterpret_cast<const std::byte*>(words.data());
    all.scales = reinterpret_cast<const std::byte*>(scales.data());
    all.biases = reinterpret_cast<const std::byte*>(biases.data());
    for (std::int64_t r = 0; r < all.n_rows; r += kRows) views.push_back(all.rows(r, kRows));
    return views;
  }
  std::vector<kernels::MatrixView> dense() const {
    std::vector<kernels::MatrixView> views;
    kernels::MatrixView all;
    all.n_rows = static_cast<std::int64_t>(source.size()) / kColumns;
    all.n_cols = kColumns;
    all.data = reinterpret_cast<const std::byte*>(source.data());
    for (std::int64_t r = 0; r < all.n_rows; r += kRows) views.push_back(all.rows(r, kRows));
    return views;
  }
};

// A module on the device, and host values that go there and come back.
struct OnDevice {
  Case& c;
  TrainedModule module;
  model::Array part{};

  OnDevice(Case& of, bool codes_learn)
      : c(of), module(TrainedModule::create("m", of.packed(), of.dense(), codes_learn, *of.device, of.pool).value()) {}

  void add_gradient(std::int64_t matrix, std::int64_t first_row, std::span<const float> gradient) {
    const std::int64_t rows = static_cast<std::int64_t>(gradient.size()) / kColumns;
    ASSERT_TRUE(part.reserve(*c.device, rows * kColumns));
    ASSERT_TRUE(c.device->write(gradient.data(), part.matrix(rows, kColumns)).ok());
    module.add_gradient(matrix, first_row, part.matrix(rows, kColumns));
  }
  [[nodiscard]] std::vector<float> read(const kernels::Tensor& t) const {
    std::vector<float> values(static_cast<std::size_t>(t.rows * t.columns));
    EXPECT_TRUE(c.device->read(t, values.data()).ok());
    return values;
  }
  [[nodiscard]] std::vector<float> state(std::size_t i) const { return read(module.state()[i]); }
  [[nodiscard]] std::vector<float> weights() const { return read(module.weights()); }
  [[nodiscard]] StoredModule stored() const { return module.stored().value(); }
};

std::vector<float> values_of(const std::vector<kernels::MatrixView>& views) {
  std::vector<float> all;
  for (const kernels::MatrixView& view : views)
    for (std::int64_t r = 0; r < view.n_rows; ++r) {
      all.resize(all.size() + static_cast<std::size_t>(view.n_cols));
      kernels::dequantize_row(view, r, &*all.end() - view.n_cols);
    }
  return all;
}

class DistillModule : public testing::TestWithParam<int> {};

TEST_P(DistillModule, starts_as_the_bundle_whatever_the_source_says) {
  Case c(GetParam());
  for (const bool codes_learn : {true, false}) {
    OnDevice on(c, codes_learn);
    EXPECT_EQ(on.module.codes_learn(), codes_learn);
    EXPECT_EQ(on.weights(), values_of(c.packed()));
    const StoredModule stored = on.stored();
    EXPECT_EQ(stored.codes, c.codes);
    for (std::size_t g = 0; g < c.scales.size(); ++g) {
      EXPECT_EQ(stored.scales[g], c.scale(g));
      EXPECT_EQ(stored.biases[g], c.bias(g));
    }
  }
}

// The first step of Adam has the size of the rate and the sign of the gradient, which is known here in closed form.
TEST_P(DistillModule, first_step_goes_down_the_gradient_by_the_rate) {
  Case c(GetParam());
  OnDevice on(c, true);
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> gradient(c.source.size());
  for (float& g : gradient) g = normal(random);
  const auto half = gradient.size() / 2;
  on.add_gradient(0, 0, std::span(gradient).first(half));
  on.add_gradient(1, 2, std::span(gradient).subspan(half + 2 * kColumns));  // in parts, as the sink is handed them
  on.add_gradient(1, 0, std::span(gradient).subspan(half, 2 * kColumns));
  const std::vector<float> latents = on.state(6);
  const Rates rates{0.25f, 0.5f, 0.125f};
  on.module.step(rates, 1);
  const std::vector<float> scales = on.state(0), biases = on.state(3), moved = on.state(6);
  for (std::size_t g = 0; g < c.scales.size(); ++g) {
    double along = 0, sum = 0;
    for (std::size_t j = g * kGroup; j < (g + 1) * kGroup; ++j) {
      along += static_cast<double>(gradient[j]) * c.codes[j];
      sum += static_cast<double>(gradient[j]);
      const bool inside = latents[j] >= -0.5f && latents[j] <= static_cast<float>(codec::max_code(c.bits)) + 0.5f;
      EXPECT_TRUE(inside);
      EXPECT_NEAR(moved[j] - latents[j], c.scale(g) == 0 ? 0 : std::copysign(0.125f, -gradient[j] * c.scale(g)), 1e-4) << j;
    }
    if (c.scale(g) == 0) {
      EXPECT_EQ(scales[g], 0);
      EXPECT_EQ(biases[g], 0);
      continue;
    }
    EXPECT_NEAR(scales[g], std::copysign(0.25, -along * static_cast<double>(c.scale(g))), 1e-3) << g;
    EXPECT_NEAR(biases[g], std::copysign(0.5, -sum), 1e-3) << g;
  }
}

// What the decoder computes with is what would be stored, codes in range, after many steps at a wild rate.
TEST_P(DistillModule, computes_with_what_it_stores) {
  Case c(GetParam());
  OnDevice on(c, true);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> gradient(c.source.size() / 2);
  for (int t = 1; t <= 20; ++t) {
    for (float& g : gradient) g = normal(random);
    for (const int matrix : {0, 1}) on.add_gradient(matrix, 0, gradient);
    on.module.step({0.01f, 0.3f, 0.4f}, t);
  }
  const StoredModule stored = on.stored();
  EXPECT_NE(stored.codes, c.codes);
  const std::vector<float> weights = on.weights();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_LE(stored.codes[i], codec::max_code(c.bits));
    EXPECT_EQ(weights[i], static_cast<float>(stored.codes[i]) * stored.scales[i / kGroup] + stored.biases[i / kGroup]);
  }
  for (const float s : stored.scales) EXPECT_EQ(s, bf16_to_float(float_to_bf16(s)));
  for (const float b : stored.biases) EXPECT_EQ(b, bf16_to_float(float_to_bf16(b)));
  ASSERT_TRUE(on.module.reset().ok());
  EXPECT_EQ(on.stored().codes, c.codes);
  EXPECT_EQ(on.weights(), values_of(c.packed()));
}

INSTANTIATE_TEST_SUITE_P(Widths, DistillModule, testing::Values(2, 3, 4, 5, 6, 8),
                         [](const auto& test) { return "b" + std::to_string(test.param); });

// Moments over several steps, against the formulas of the paper in double.
TEST(DistillAdam, follows_the_paper) {
  Case c(4);
  OnDevice on(c, false);
  const std::vector<float> gradients = {1, -0.5f, 3, 0.25f, -2};
  double first = 0, second = 0, value = 0;
  for (std::size_t t = 1; t <= gradients.size(); ++t) {
    std::vector<float> all(c.source.size() / 2);
    all[0] = gradients[t - 1];  // of one weight: the bias of its group has that gradient in units of the scale
    on.add_gradient(0, 0, all);
    on.module.step({0, 0.1f, 0}, static_cast<std::int64_t>(t));
    const double g = static_cast<double>(gradients[t - 1]) * std::abs(static_cast<double>(c.scale(0)));
    first = 0.9 * first + 0.1 * g;
    second = 0.99 * second + 0.01 * g * g;
    const double n = static_cast<double>(t);
    value -= 0.1 * (first / (1 - std::pow(0.9, n))) / (std::sqrt(second / (1 - std::pow(0.99, n))) + 1e-8);
    EXPECT_NEAR(on.state(3)[0], value, 1e-5) << t;
    EXPECT_EQ(on.state(3)[1], 0);
  }
}

}  // namespace
}  // namespace jang::distill
