// SPDX-License-Identifier: Apache-2.0
// Folding changes weights and no outputs: random models of every family, rescaled by random statistics and stored unquantized, have the
// logits of their source. Factors are the formula's, norms are stored as what readers are multiplied by, and nothing else comes from a
// plan.
#include "quantize/channel_scales.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "../arch/fake_model.h"
#include "base/float16.h"
#include "engine/engine.h"
#include "format/safetensors.h"
#include "plan/make_plan.h"
#include "quantize/convert.h"
#include "quantize/importance.h"
#include "quantize/scaled_grams.h"

namespace jang::quantize {
namespace {

namespace fs = std::filesystem;

class ChannelScalesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           ("jang_scales_" + std::to_string(::getpid()) + "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  // The model with random float32 weights; biases of queries, keys and values are no zeros.
  std::string write(const arch::testing::NamedModel& named) const {
    const std::string directory = path(named.name);
    fs::create_directories(directory);
    std::ofstream(directory + "/config.json") << json::dump(named.model.config);
    std::vector<TensorInfo> infos = named.model.tensors;
    for (TensorInfo& t : infos) t.dtype = DType::f32;
    std::ofstream out(directory + "/model.safetensors", std::ios::binary);
    out << format::make_safetensors_header(infos, {{"format", "pt"}});
    std::mt19937 random(3);
    for (const TensorInfo& t : infos) {
      const bool is_norm = t.name.find("norm") != std::string::npos;
      std::normal_distribution<float> normal(is_norm ? 0.9f : 0.0f, is_norm ? 0.3f : 0.1f);
      std::vector<float> values(static_cast<std::size_t>(elements(t.shape)));
      for (float& v : values) v = normal(random);
      out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
    }
    return directory;
  }

  // Mean squares over four decades for every map; the last expert saw next to nothing.
  static format::Statistics random_statistics(const arch::Model& model) {
    format::Statistics s;
    s.model = fingerprint(model);
    s.text = "random";
    s.digest = "made by hand";
    std::mt19937 random(11);
    std::uniform_real_distribution<float> decades(-2.0f, 2.0f);
    for (const arch::OutTensor& t : model.tensors) {
      if (!t.quantizable) continue;
      format::InputStatistics& in = s.inputs[t.canonical];
      const std::int64_t n = t.shape.size() == 3 ? t.shape[0] : 1;
      for (std::int64_t e = 0; e < n; ++e) in.tokens.push_back(n > 1 && e == n - 1 ? 3 : 1000);
      for (std::int64_t i = 0; i < n * columns(t.shape); ++i) in.mean_square.push_back(std::pow(10.0f, decades(random)));
    }
    return s;
  }

  // A plan that keeps every tensor in float32 and rescales every group.
  static plan::Plan plain_plan(const arch::Model& model, const format::Statistics& statistics) {
    plan::Plan plan = plan::make_plan(model, {}).value();
    for (plan::TensorPlan& t : plan.tensors) t.choice = {};
    plan.dtype = DType::f32;
    plan.statistics = statistics.digest;
    plan.activation_aware = true;
    double exponent = 0.25;
    for (const arch::ScaleGroup& g : arch::scale_groups(model, arch::decoder_config(model).value()).groups) {
      plan.scaling.push_back({.group = g.name, .exponent = exponent, .gain = 0.1});
      exponent = exponent < 0.9 ? exponent + 0.15 : 0.25;
    }
    return plan;
  }

  static std::vector<float> logits_of(const std::string& directory) {
    engine::LoadOptions load;
    load.precision = kernels::Precision::exact;
    auto engine = engine::Engine::load(directory, load);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    if (!engine.ok()) return {};
    const std::vector<std::int32_t> ids = {5, 17, 300, 2, 444, 91, 8, 8, 120};
    model::Sequence sequence = (*engine)->new_sequence();
    const model::BatchItem item{&sequence, static_cast<std::int64_t>(ids.size())};
    std::vector<float> hidden, logits(ids.size() * 512);
    EXPECT_TRUE((*engine)->forward({&item, 1}, ids, &hidden).ok());
    EXPECT_TRUE((*engine)->logits(hidden.data(), item.n_tokens, logits.data()).ok());
    return logits;
  }

  fs::path dir_;
};

TEST_F(ChannelScalesTest, a_folded_model_of_any_family_has_the_logits_of_its_source) {
  int n_models = 0;
  for (const arch::testing::NamedModel& named : arch::testing::all_models()) {
    SCOPED_TRACE(named.name);
    const std::string directory = write(named);
    const auto source = open_source(directory);
    ASSERT_TRUE(source.ok()) << source.status().message();
    if (!arch::decoder_config(source->model).ok()) continue;
    const format::Statistics statistics = random_statistics(source->model);
    const plan::Plan plan = plain_plan(source->model, statistics);
    ASSERT_GE(plan.scaling.size(), 3u);  // fewer where maps are fused, or norms shared or behind the blocks
    RunOptions run;
    run.statistics = &statistics;
    const auto done = convert(*source, plan, path(named.name + "-folded"), false, run);
    ASSERT_TRUE(done.ok()) << done.status().message();
    const std::vector<float> expected = logits_of(directory), found = logits_of(path(named.name + "-folded"));
    ASSERT_EQ(found.size(), expected.size());
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      largest = std::max(largest, static_cast<double>(std::fabs(expected[i])));
      difference = std::max(difference, static_cast<double>(std::fabs(found[i] - expected[i])));
    }
    EXPECT_GT(largest, 0.05);
    EXPECT_LT(difference, 2e-4 * largest);  // float32 sums in another order of magnitude
    // The weights are others: a fold that did nothing would pass the rest.
    const auto folded = open_source(path(named.name + "-folded"));
    ASSERT_TRUE(folded.ok());
    const auto config = arch::decoder_config(source->model).value();
    for (const arch::ScaleGroup& g : arch::scale_groups(source->model, config).groups) {
      if (!g.is_norm) continue;
      const std::vector<float> before = norm_weights(*source, g).value(), after = norm_weights(*folded, g).value();
      int same = 0;
      for (std::size_t c = 0; c < before.size(); ++c)
        same += before[c] + source->model.tensors[static_cast<std::size_t>(g.producer)].add == after[c] ? 1 : 0;
      EXPECT_LT(same, static_cast<int>(before.size()) / 4) << g.name;
    }
    ++n_models;
  }
  EXPECT_GE(n_models, 10);
}

// A norm of four channels, one of them without a gain, in front of one map.
class OneGroup : public ::testing::Test {
 protected:
  OneGroup() {
    arch::OutTensor norm;
    norm.name = norm.canonical = norm.module = "norm";
    norm.shape = {4};
    model_.tensors = {norm};
    group_.name = "norm";
    group_.is_norm = true;
    group_.channels = group_.head = 4;
  }
  arch::Model model_;
  arch::ScaleGroup group_;
  GroupInputs inputs_{{4.0, 0.25, 1.0, 16.0}, {100}, {}};
};

TEST_F(OneGroup, factors_are_powers_of_the_root_mean_square_about_their_middle) {
  group_.is_norm = false;
  const GroupScales s = group_scales(model_, group_, inputs_, {.inputs = 0.5}, {}, 0, DType::bf16);
  const double mean = (4.0 + 0.25 + 1.0 + 16.0) / 4;
  const auto power = [&](double m) { return std::pow(std::sqrt(m + 1e-4 * mean), 0.5); };
  for (std::size_t c = 0; c < 4; ++c) {
    const double expected = power(inputs_.mean_square[c]) / std::sqrt(power(16.0) * power(0.25));
    EXPECT_NEAR(s.factors[c], expected, expected / 256);
    EXPECT_EQ(s.factors[c], bf16_to_float(float_to_bf16(s.factors[c])));
  }
  for (const float f : group_scales(model_, group_, inputs_, {}, {}, 0, DType::bf16).factors) EXPECT_EQ(f, 1.0f);
}

TEST_F(OneGroup, sizes_of_weights_divide_the_factors) {
  group_.is_norm = false;
  inputs_.weights = {0.1, 0.4, 0.2, 0.1};
  const GroupScales s = group_scales(model_, group_, inputs_, {.inputs = 0.5, .weights = 0.3}, {}, 0, DType::bf16);
  const double mean = (4.0 + 0.25 + 1.0 + 16.0) / 4, mean_weight = 0.2;
  std::vector<double> raw;
  for (std::size_t c = 0; c < 4; ++c)
    raw.push_back(std::pow(std::sqrt(inputs_.mean_square[c] + 1e-4 * mean), 0.5) / std::pow(inputs_.weights[c] + 1e-4 * mean_weight, 0.3));
  const auto [least, most] = std::ranges::minmax(raw);
  for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(s.factors[c], raw[c] / std::sqrt(least * most), raw[c] / std::sqrt(least * most) / 256);
  EXPECT_NE(s.factors[0], group_scales(model_, group_, inputs_, {.inputs = 0.5}, {}, 0, DType::bf16).factors[0]);
}

TEST_F(OneGroup, readers_are_multiplied_by_exactly_what_the_stored_norm_was_divided_by) {
  for (const float offset : {0.0f, 1.0f}) {
    const std::vector<float> gains = {0.37f - offset, 1.21f - offset, -0.55f - offset, 0.0f - offset};
    const GroupScales s = group_scales(model_, group_, inputs_, {.inputs = 0.8}, gains, offset, DType::bf16);
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_EQ(s.norm[c], bf16_to_float(float_to_bf16(s.norm[c])));
      EXPECT_NEAR(s.factors[c] * (s.norm[c] + offset), gains[c] + offset, 1e-6);
      EXPECT_NE(s.factors[c], 1.0f);
    }
    EXPECT_EQ(s.factors[3], 1.0f) << "a channel without gain stays";
    EXPECT_EQ(s.norm[3], gains[3]);
  }
}

TEST_F(OneGroup, experts_that_saw_little_keep_their_channels) {
  group_.is_norm = false;
  group_.n = 2;
  inputs_.mean_square.insert(inputs_.mean_square.end(), {9.0, 1.0, 1.0, 1.0});
  inputs_.tokens = {kLeastExpertInputs, kLeastExpertInputs - 1};
  const GroupScales s = group_scales(model_, group_, inputs_, {.inputs = 1}, {}, 0, DType::bf16);
  EXPECT_EQ(experts_left(group_, inputs_), 1);
  EXPECT_NE(s.factors[0], 1.0f);
  for (std::size_t c = 4; c < 8; ++c) EXPECT_EQ(s.factors[c], 1.0f);
}

TEST(TensorScales, rows_and_columns_are_multiplied_wherever_a_run_begins) {
  TensorScales t;
  t.n_columns = 3;
  t.rows_per_expert = 2;
  t.rows = {1, 10, 100, 1000};
  t.columns = {1, 2, 3, 5, 6, 7};  // of two experts
  const std::vector<float> all = {1, 2, 3, 10, 20, 30, 500, 600, 700, 5000, 6000, 7000};
  for (std::size_t begin = 0; begin < all.size(); ++begin)
    for (std::size_t n = 1; begin + n <= all.size(); ++n) {
      std::vector<float> v(n, 1.0f);
      t.apply(static_cast<std::int64_t>(begin), v);
      EXPECT_EQ(v,
                std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(begin), all.begin() + static_cast<std::ptrdiff_t>(begin + n)));
    }
  t.columns = {1, 2, 3};  // that all experts share
  t.rows.clear();
  std::vector<float> v(12, 1.0f);
  t.apply(0, v);
  EXPECT_EQ(v[7], 2.0f);
}

TEST(ScaledGrams, of_divided_inputs_are_what_their_own_products_give) {
  constexpr std::int64_t n = 32;
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> upper(n * n), factors(n);
  for (int t = 0; t < 200; ++t) {
    std::vector<float> x(n);
    for (float& v : x) v = normal(random);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = i; j < n; ++j)
        upper[static_cast<std::size_t>(i * n + j)] += x[static_cast<std::size_t>(i)] * x[static_cast<std::size_t>(j)] / 200;
  }
  for (std::int64_t i = 0; i < n; ++i) factors[static_cast<std::size_t>(i)] = std::pow(2.0f, static_cast<float>(i % 5) - 2);
  const kernels::Gram gram = kernels::make_gram(upper, n, nullptr).value();
  const kernels::Gram scaled = scaled_gram(gram, factors.data()).value();
  // inverse(H') = U'^T U', so H' U'^T U' is the identity.
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double product = 0;
      for (std::int64_t k = 0; k < n; ++k) {
        double inverse = 0;  // [k, j]
        for (std::int64_t m = 0; m < n; ++m)
          inverse += static_cast<double>(scaled.factor.get()[m * n + k]) * scaled.factor.get()[m * n + j];
        product += static_cast<double>(scaled.matrix.get()[i * n + k]) * inverse;
      }
      EXPECT_NEAR(product, i == j ? 1 : 0, 1e-3);
      EXPECT_FLOAT_EQ(scaled.matrix.get()[i * n + j],
                      gram.matrix.get()[i * n + j] / (factors[static_cast<std::size_t>(i)] * factors[static_cast<std::size_t>(j)]));
    }
}

}  // namespace
}  // namespace jang::quantize
