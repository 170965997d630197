// SPDX-License-Identifier: Apache-2.0
// Gains by role against a plain sum over a bundle's rows, and against what least squares promise.
#include "eval/weight_gain.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "../support/bundled_model.h"
#include "../support/test_device.h"
#include "kernels/ref/linear.h"
#include "quantize/convert.h"

namespace jang::eval {
namespace {

namespace fs = std::filesystem;

class WeightGain : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_gain_" + std::to_string(::getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  [[nodiscard]] std::string bundle(const std::string& profile, plan::Method method) const {
    const std::string path = (dir_ / (profile + std::string(plan::to_string(method)))).string();
    plan::Options options;
    options.profile = profile;
    options.method = method;
    const auto source = quantize::open_source(test::kBundledModel);
    EXPECT_TRUE(source.ok());
    const auto plan = quantize::plan_source(*source, options, "", {});
    EXPECT_TRUE(plan.ok());
    const auto done = quantize::convert(*source, *plan, path, false, {});
    EXPECT_TRUE(done.ok()) << done.status().message();
    return path;
  }
  static std::unique_ptr<engine::Engine> load(const std::string& directory, int n_threads = 2) {
    auto engine = engine::Engine::load(directory, test::on_test_device({.n_threads = n_threads, .precision = kernels::Precision::exact}));
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    return std::move(engine).value();
  }
  fs::path dir_;
};

struct Sums {
  double wq = 0, ww = 0, ee = 0;
};

// By role, with the scalar dequantization.
std::map<std::string, Sums> plain_sums(engine::Engine& source, engine::Engine& model) {
  std::map<std::string, Sums> sums;
  for (const arch::OutTensor& t : source.described().tensors) {
    const auto w = source.decoder().matrices(t.module), q = model.decoder().matrices(t.module);
    for (std::size_t m = 0; m < w.size(); ++m) {
      std::vector<float> x(static_cast<std::size_t>(w[m].n_cols)), y(x.size());
      for (std::int64_t r = 0; r < w[m].n_rows; ++r) {
        kernels::ref::dequantize_row(w[m], r, x.data());
        kernels::ref::dequantize_row(q[m], r, y.data());
        Sums& s = sums[std::string(arch::to_string(t.role))];
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double a = x[i], b = y[i];
          s.wq += a * b;
          s.ww += a * a;
          s.ee += (a - b) * (a - b);
        }
      }
    }
  }
  return sums;
}

TEST_F(WeightGain, is_the_quotient_of_two_sums_and_shrinks_where_the_fit_does) {
  const auto source = load(test::kBundledModel), fitted = load(bundle("uniform_2", plan::Method::fit));
  const auto gains = weight_gains(*source, *fitted);
  ASSERT_TRUE(gains.ok()) << gains.status().message();
  const std::map<std::string, Sums> sums = plain_sums(*source, *fitted);
  ASSERT_GT(gains->size(), 6u);
  ASSERT_EQ(gains->size(), sums.size());
  for (const RoleGain& g : *gains) {
    const Sums& s = sums.at(g.role);
    EXPECT_NEAR(g.gain, s.wq / s.ww, 1e-9) << g.role;
    // Least squares with a bias leave an error orthogonal to the codes and to 1, up to the rounding of scale and bias to 16 bits.
    if (g.gain < 0.99) {
      EXPECT_NEAR(g.gain, 1 - s.ee / s.ww, 0.02) << g.role;
    }
  }
  const auto expert = std::ranges::find(*gains, "expert_up", &RoleGain::role);
  ASSERT_NE(expert, gains->end());
  EXPECT_LT(expert->gain, 0.97);
  EXPECT_GT(expert->gain, 0.8);
}

TEST_F(WeightGain, is_one_for_the_model_itself_and_near_one_at_eight_bits) {
  const auto source = load(test::kBundledModel), same = load(test::kBundledModel), eight = load(bundle("uniform_8", plan::Method::rtn));
  const auto none_lost = weight_gains(*source, *same), little_lost = weight_gains(*source, *eight);
  ASSERT_TRUE(none_lost.ok() && little_lost.ok());
  EXPECT_GT(none_lost->size(), 6u);
  for (const RoleGain& g : *none_lost) EXPECT_EQ(g.gain, 1.0) << g.role;
  for (const RoleGain& g : *little_lost) EXPECT_NEAR(g.gain, 1.0, 1e-3) << g.role;
}

TEST_F(WeightGain, nothing_is_said_of_rescaled_channels) {
  const auto source = load(test::kBundledModel);
  const std::string path = bundle("uniform_8", plan::Method::rtn);
  EXPECT_FALSE(weight_gains(*source, *load(path))->empty());
  json::Value record = json::parse_file(path + "/jang_config.json").value();
  record["quantization"]["activation_aware_scaling"] = {{{"group", "model.norm"}, {"exponent", 0.5}}};
  std::ofstream(path + "/jang_config.json") << json::dump(record);
  EXPECT_TRUE(weight_gains(*source, *load(path))->empty());
}

TEST_F(WeightGain, does_not_depend_on_threads_and_reads_back) {
  const std::string two = bundle("uniform_2", plan::Method::rtn);
  const auto one = weight_gains(*load(test::kBundledModel, 1), *load(two, 1)),
             three = weight_gains(*load(test::kBundledModel, 3), *load(two, 3));
  ASSERT_TRUE(one.ok() && three.ok());
  json::Value a = json::Value::object(), b = json::Value::object();
  add_to_json(*one, &a);
  add_to_json(*three, &b);
  EXPECT_EQ(a, b);
  const auto back = gains_from_json(a);
  ASSERT_TRUE(back.ok());
  json::Value c = json::Value::object();
  add_to_json(*back, &c);
  EXPECT_EQ(c, a);
  EXPECT_FALSE(gains_from_json(json::Value::object()).ok());
  EXPECT_FALSE(gains_from_json({{"weight_gain", {{"attn_q", "x"}}}}).ok());
  const CancelFlag cancel{true};
  EXPECT_EQ(weight_gains(*load(two), *load(two), &cancel).status().code(), StatusCode::cancelled);
}

}  // namespace
}  // namespace jang::eval
