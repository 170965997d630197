// SPDX-License-Identifier: Apache-2.0
// Trials of scales on the bundled model: the divergences are those of bundles that are converted and run by themselves, and scaling that
// harms is taken out.
#include "calibrate/scale_trial.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include "arch/decoder_config.h"
#include "arch/scale_groups.h"
#include "bundled_model.h"
#include "calibrate/model_grams.h"
#include "calibrate/moments.h"
#include "quantize/convert.h"
#include "quantize/importance.h"

namespace jang::calibrate {
namespace {

namespace fs = std::filesystem;

class ScaleTrial : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_trial_" + std::to_string(::getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    engine_ = load();
    ASSERT_TRUE(engine_);
    auto source = quantize::open_source(test::kBundledModel);
    ASSERT_TRUE(source.ok());
    source_.emplace(std::move(source).value());
    windows_ = random_windows(*engine_, {.n_windows = 4, .length = 32, .seed = 7}).value();
    statistics_.model = quantize::fingerprint(source_->model);
    statistics_.text = "random";
    statistics_.digest = "by hand";
    statistics_.inputs = measure_moments(*engine_, windows_, silent, nullptr).value();
    run_.statistics = &statistics_;
  }
  void TearDown() override { fs::remove_all(dir_); }

  // Every group rescaled by one exponent, and by the size of the weights.
  plan::Plan plan_with(double exponent, plan::Method method, const std::string& profile) {
    plan::Options options;
    options.profile = profile;
    options.method = method;
    plan::Plan plan = quantize::plan_source(*source_, options, "", run_).value();
    plan.activation_aware = true;
    plan.statistics = statistics_.digest;
    for (const arch::ScaleGroup& g : arch::scale_groups(source_->model, arch::decoder_config(source_->model).value()).groups)
      plan.scaling.push_back({.group = g.name, .exponent = exponent, .gain = 0.1, .of_weights = exponent > 0 ? 0.3 : 0});
    return plan;
  }
  static std::vector<std::vector<double>> log_predictions(engine::Engine& engine, const Windows& windows) {
    const auto vocab = static_cast<std::size_t>(engine.decoder().config().vocab);
    std::vector<std::vector<double>> rows;
    for (std::int64_t w = 0; w < windows.n(); ++w) {
      model::Sequence sequence = engine.new_sequence();
      const model::BatchItem item{&sequence, windows.length};
      std::vector<float> hidden, logits(static_cast<std::size_t>(windows.length) * vocab);
      const auto begin = windows.tokens.begin() + w * windows.length;
      const std::vector<std::int32_t> ids(begin, begin + windows.length);
      EXPECT_TRUE(engine.forward({&item, 1}, ids, &hidden).ok());
      EXPECT_TRUE(engine.logits(hidden.data(), windows.length, logits.data()).ok());
      for (std::int64_t t = 0; t < windows.length; ++t) {
        const float* z = logits.data() + static_cast<std::size_t>(t) * vocab;
        double most = z[0], sum = 0;
        for (std::size_t j = 0; j < vocab; ++j) most = std::max(most, static_cast<double>(z[j]));
        for (std::size_t j = 0; j < vocab; ++j) sum += std::exp(static_cast<double>(z[j]) - most);
        std::vector<double> row(vocab);
        for (std::size_t j = 0; j < vocab; ++j) row[j] = static_cast<double>(z[j]) - most - std::log(sum);
        rows.push_back(std::move(row));
      }
    }
    return rows;
  }
  // KL(source || the bundle that this plan makes), all positions.
  double divergence_of_bundle(const plan::Plan& plan, quantize::Grams* grams, const std::string& name) {
    quantize::RunOptions run = run_;
    run.grams = grams;
    const auto done = quantize::convert(*source_, plan, (dir_ / name).string(), false, run);
    EXPECT_TRUE(done.ok()) << done.status().message();
    engine::LoadOptions exact;
    exact.precision = kernels::Precision::exact;
    auto bundle = engine::Engine::load((dir_ / name).string(), test::on_test_device(exact));
    EXPECT_TRUE(bundle.ok());
    const auto p = log_predictions(*engine_, windows_), q = log_predictions(**bundle, windows_);
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i)
      for (std::size_t j = 0; j < p[i].size(); ++j) sum += std::exp(p[i][j]) * (p[i][j] - q[i][j]);
    return sum / static_cast<double>(p.size());
  }
  GramMaker grams() {
    return [this] { return std::make_unique<ModelGrams>(*engine_, source_->model, windows_, nullptr); };
  }

  fs::path dir_;
  std::unique_ptr<engine::Engine> engine_;
  std::optional<quantize::Source> source_;
  Windows windows_;
  format::Statistics statistics_;
  quantize::RunOptions run_;
};

TEST_F(ScaleTrial, divergences_are_those_of_the_bundles) {
  for (const plan::Method method : {plan::Method::fit, plan::Method::gptq}) {
    SCOPED_TRACE(plan::to_string(method));
    plan::Plan plan = plan_with(0.3, method, "uniform_3");
    const plan::Plan before = plan;
    ASSERT_TRUE(try_scales(*engine_, *source_, windows_, grams(), run_, &plan).ok());
    ASSERT_TRUE(plan.scaling_trial.has_value());
    EXPECT_EQ(plan.scaling_trial->positions, 4 * 32);
    plan::Plan without = before;
    for (plan::Scaling& s : without.scaling) s.exponent = 0;
    const auto of = [&](const plan::Plan& p, const std::string& name) {
      const auto made = method == plan::Method::gptq ? grams()() : nullptr;
      return divergence_of_bundle(p, made.get(), name + std::string(plan::to_string(method)));
    };
    // Text that is this short leaves sums in another order; rescaled norms and routers are stored in 16 bits.
    EXPECT_NEAR(plan.scaling_trial->unscaled / of(without, "without"), 1, 1e-3);
    EXPECT_NEAR(plan.scaling_trial->scaled / of(plan, "kept"), 1, 0.03);
    EXPECT_LE(plan.scaling_trial->scaled, plan.scaling_trial->unscaled);
  }
}

TEST_F(ScaleTrial, scaling_that_harms_is_taken_out) {
  plan::Plan plan = plan_with(1, plan::Method::rtn, "uniform_2");
  for (auto& [module, inputs] : statistics_.inputs) {  // strong channels that the text does not have
    for (std::size_t i = 0; i < inputs.mean_square.size(); ++i) inputs.mean_square[i] = i % 7 == 0 ? 1e4f : 1e-3f;
  }
  ASSERT_TRUE(try_scales(*engine_, *source_, windows_, {}, run_, &plan).ok());
  std::size_t n_refused = 0;
  for (const plan::Scaling& s : plan.scaling) {
    EXPECT_EQ(s.refused, s.exponent == 0) << s.group;
    n_refused += s.refused ? 1 : 0;
  }
  EXPECT_GT(n_refused, plan.scaling.size() / 2);
  EXPECT_LE(plan.scaling_trial->scaled, plan.scaling_trial->unscaled);
  // The engine has its own weights again.
  const auto now = log_predictions(*engine_, windows_), other = log_predictions(*load(), windows_);
  EXPECT_EQ(now, other);
}

TEST_F(ScaleTrial, nothing_rescaled_is_nothing_to_try) {
  plan::Plan plan = plan_with(0, plan::Method::fit, "uniform_4");
  ASSERT_TRUE(try_scales(*engine_, *source_, windows_, {}, run_, &plan).ok());
  EXPECT_FALSE(plan.scaling_trial.has_value());
}

TEST_F(ScaleTrial, its_text_is_none_that_calibration_draws) {
  format::Statistics statistics;
  statistics.window_length = 16;
  const Windows trial = trial_windows(*engine_, statistics, silent, nullptr).value();
  EXPECT_EQ(trial.n(), kTrialWindows);
  EXPECT_EQ(trial.length, 16);
  const Windows drawn = sample_windows(*engine_, {.n_windows = kTrialWindows, .length = 16}, silent, nullptr).value();
  EXPECT_NE(trial.tokens, drawn.tokens);
}

}  // namespace
}  // namespace jang::calibrate
