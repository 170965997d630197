// SPDX-License-Identifier: Apache-2.0
// What a plan says of the target beside the same plan for MLX, and a comparison of a target with it.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "../support/bundled_model.h"
#include "../support/contains.h"
#include "jang/calibrate.h"
#include "jang/compare.h"
#include "jang/plan.h"
#include "json/json.h"

namespace jang {
namespace {

namespace fs = std::filesystem;

class TargetPlans : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "jang_changes_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }
  fs::path dir_;
};

TEST_F(TargetPlans, what_a_target_changes_is_told_with_its_bytes) {
  PlanOptions options{.profile = "JANG_2S"};
  EXPECT_FALSE(plan_model(test::kBundledModel, options)->changes.has_value());
  const std::uint64_t mlx_bytes = plan_model(test::kBundledModel, options)->model.file_bytes;
  options.target = "vllm";
  const Result<PlanReport> plan = plan_model(test::kBundledModel, options);
  ASSERT_TRUE(plan.ok() && plan->changes.has_value()) << plan.status().message();
  const TargetChanges& c = *plan->changes;
  EXPECT_EQ(c.target, "vllm");
  EXPECT_EQ(c.mlx_file_bytes, mlx_bytes);
  EXPECT_EQ(c.file_bytes, plan->model.file_bytes);
  EXPECT_FALSE(c.divergence || c.mlx_divergence) << "nothing was measured";
  const auto row = std::ranges::find_if(c.rows, [](const auto& r) { return std::ranges::count(r.modules, "model.embed_tokens") > 0; });
  ASSERT_NE(row, c.rows.end());
  EXPECT_EQ(row->mlx, "4 bits, group 64");
  EXPECT_EQ(row->target, "16 bits");
  EXPECT_TRUE(test::contains(row->reason, "embeddings in 16 bits"));
  const json::Value document = json::parse(plan->document, "plan").value();
  EXPECT_EQ(document["target_changes"]["changed"].size(), c.rows.size());
  EXPECT_EQ(document["target_changes"]["mlx_file_bytes"], mlx_bytes);
}

TEST_F(TargetPlans, gradients_say_what_it_costs) {
  const std::string file = (dir_ / "stats").string();
  ASSERT_TRUE(calibrate_model(test::kBundledModel, file, {.n_windows = 1, .window_length = 32}, {.threads = 1}).ok());
  PlanOptions options{.target = "vllm", .profile = "uniform_3", .group_size = 64};
  options.statistics_file = file;
  const Result<PlanReport> plan = plan_model(test::kBundledModel, options);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  ASSERT_TRUE(plan->changes && plan->changes->divergence && plan->changes->mlx_divergence);
  EXPECT_GT(*plan->changes->mlx_divergence, 0);
  options.profile = "uniform_4";
  const Result<PlanReport> four = plan_model(test::kBundledModel, options);
  ASSERT_TRUE(four.ok() && four->changes && four->changes->divergence) << four.status().message();
  // A bit takes away about three quarters of an error.
  EXPECT_LT(*four->changes->divergence, 0.5 * *plan->changes->divergence);
  EXPECT_LT(*four->changes->mlx_divergence, 0.5 * *plan->changes->mlx_divergence);
}

TEST_F(TargetPlans, recipes_for_targets_are_compared) {
  CompareOptions options{.recipes = "uniform_4@128:rtn:to-gptq,uniform_4@128:rtn"};
  options.text.file = test::kBundledText;
  options.text.context = 64;
  options.text.max_tokens = 256;
  options.mmlu = {};
  options.speed = false;
  options.work = (dir_ / "work").string();
  const Result<CompareResult> done = compare_recipes(test::kBundledModel, options);
  ASSERT_TRUE(done.ok()) << done.status().message();
  ASSERT_EQ(done->report.rows.size(), 3u);
  EXPECT_EQ(done->report.rows[1].name, "uniform_4@128:rtn:to-gptq");
  EXPECT_GT(done->report.rows[1].file_bytes, done->report.rows[2].file_bytes) << "embeddings in 16 bits";
  EXPECT_GT(done->report.rows[1].divergence->kld.mean, 0);
  EXPECT_TRUE(done->report.rows[1].calibration_text.empty());
  EXPECT_TRUE(fs::exists(dir_ / "work/bundles/uniform_4-128-rtn-to-gptq/jang_record.json"));
}

}  // namespace
}  // namespace jang
