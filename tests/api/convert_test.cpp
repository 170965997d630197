// SPDX-License-Identifier: Apache-2.0
// Planning, converting, inspecting and calibrating through the public API: progress, cancelling, documents that agree with each other.
#include "jang/convert.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "../support/bundled_model.h"
#include "jang/eval.h"
#include "jang/inspect.h"
#include "jang/machine.h"
#include "jang/model.h"
#include "json/json.h"

namespace jang {
namespace {

using test::kBundledModel;
using test::kBundledText;

namespace fs = std::filesystem;

class Recorder final : public SilentObserver {
 public:
  void phase(int, int, std::string_view name) override { phases.emplace_back(name); }
  void tick(std::int64_t done, std::int64_t total, std::string_view) override {
    last_done = done;
    last_total = total;
  }
  std::vector<std::string> phases;
  std::atomic<std::int64_t> last_done = 0, last_total = 0;
};

class PublicConvert : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "jang_api_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string path(const char* name) const { return (dir_ / name).string(); }
  fs::path dir_;
};

TEST_F(PublicConvert, a_directory_is_made_checked_and_told_of) {
  Recorder recorder;
  ConvertOptions options;
  options.plan.profile = "2S";
  options.output = path("small");
  const Result<ConvertReport> done = convert_model(kBundledModel, options, {.threads = 1, .observer = &recorder});
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(recorder.phases, (std::vector<std::string>{"detect", "allocate", "quantize", "write"}));
  EXPECT_EQ(recorder.last_done, recorder.last_total);
  EXPECT_TRUE(done->runs_here);
  EXPECT_EQ(done->loader_command, (std::vector<std::string>{"mlx_lm.generate", "--model", done->output, "--prompt", "Once upon a time"}));
  EXPECT_EQ(done->plan.model.profile, "JANG_2S");
  EXPECT_GT(mean_error(done->plan.model).value_or(0), 0);
  EXPECT_TRUE(validate_model(done->output).value().empty());
  const Inspection found = inspect_model(done->output).value();
  EXPECT_TRUE(found.quantized);
  EXPECT_EQ(found.report.file_bytes, done->plan.model.file_bytes);
  EXPECT_EQ(found.report.params, done->plan.model.params);
  EXPECT_NEAR(Model::open(done->output).value().stored_bits(), done->plan.model.stored_bits, 1e-9);
  EXPECT_EQ(convert_model(kBundledModel, options).status().code(), StatusCode::invalid_argument);  // it exists
}

TEST_F(PublicConvert, a_plan_file_gives_the_same_bytes) {
  ConvertOptions options;
  options.plan.bits_per_weight = 3.25;  // makes the profile auto
  options.output = path("direct");
  const Result<ConvertReport> direct = convert_model(kBundledModel, options);
  ASSERT_TRUE(direct.ok()) << direct.status().message();
  EXPECT_EQ(direct->plan.model.profile, "auto");
  EXPECT_LE(direct->plan.model.stored_bits, 3.25);
  const PlanReport plan = plan_model(kBundledModel, options.plan).value();
  std::ofstream(path("plan.json")) << plan.document;
  options.plan = {};
  options.plan.plan_file = path("plan.json");
  options.output = path("planned");
  const Result<ConvertReport> planned = convert_model(kBundledModel, options, {.threads = 1});
  ASSERT_TRUE(planned.ok()) << planned.status().message();
  const auto bytes = [&](const std::string& directory) {
    std::ifstream file(directory + "/model.safetensors", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_FALSE(bytes(direct->output).empty());
  EXPECT_TRUE(bytes(direct->output) == bytes(planned->output));
}

TEST_F(PublicConvert, cancelled_or_dry_it_leaves_nothing) {
  CancelFlag cancel{true};
  ConvertOptions options;
  options.output = path("never");
  EXPECT_EQ(convert_model(kBundledModel, options, {.cancel = &cancel}).status().code(), StatusCode::cancelled);
  options.dry_run = true;
  const Result<ConvertReport> dry = convert_model(kBundledModel, options);
  ASSERT_TRUE(dry.ok()) << dry.status().message();
  EXPECT_EQ(dry->output, options.output);
  EXPECT_FALSE(json::parse(dry->plan.document, "plan")->empty());
  EXPECT_TRUE(fs::is_empty(dir_));
}

TEST_F(PublicConvert, options_are_refused_before_the_source_is_looked_at) {
  for (const PlanOptions& options :
       {PlanOptions{.profile = "9Z"}, PlanOptions{.overrides = {"lm_head"}}, PlanOptions{.bits_per_weight = 3.0, .file_bytes = 1u << 30}}) {
    EXPECT_EQ(check_options(options).code(), StatusCode::invalid_argument);
    EXPECT_EQ(plan_model("/no/such/source", options).status().code(), StatusCode::invalid_argument);
  }
  EXPECT_EQ(plan_model("/no/such/source").status().code(), StatusCode::not_found);
}

TEST_F(PublicConvert, calibration_is_kept_and_used) {
  CalibrationOptions calibration{.n_windows = 1, .window_length = 32};
  const std::string file = path("stats.safetensors");
  const Result<CalibrationReport> made = calibrate_model(kBundledModel, file, calibration, {.threads = 1});
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ(made->n_tokens, 32);
  EXPECT_GT(made->n_modules, 10);
  EXPECT_GT(made->n_gradients, 10);
  EXPECT_EQ(made->gradient_positions, 31);
  EXPECT_FALSE(fs::exists(file + ".partial"));
  PlanOptions options;
  options.statistics_file = file;
  EXPECT_TRUE(plan_model(kBundledModel, options).ok());
  options.self_calibrate = true;
  EXPECT_EQ(plan_model(kBundledModel, options).status().code(), StatusCode::invalid_argument);
  const std::vector<std::string> twice = {file, file};
  const Result<CalibrationReport> merged = merge_statistics(twice, path("merged.safetensors"));
  ASSERT_TRUE(merged.ok()) << merged.status().message();
  EXPECT_EQ(merged->n_modules, made->n_modules);
  EXPECT_EQ(merged->n_gradients, made->n_gradients);
  EXPECT_EQ(merged->gradient_positions, 62);
}

TEST_F(PublicConvert, a_bundle_is_measured_against_its_source) {
  ConvertOptions options;
  options.plan.profile = "4K";
  options.output = path("bundle");
  ASSERT_TRUE(convert_model(kBundledModel, options).ok());
  const ModelOptions exact{.threads = 1, .arithmetic = Arithmetic::exact};
  const Model source = Model::open(kBundledModel, exact).value(), bundle = Model::open(options.output, exact).value();
  const TextOptions text{.file = kBundledText, .context = 64, .max_tokens = 128};
  const Result<DivergenceReport> report = measure_divergence(bundle, source, text, {.log_file = path("log.jsonl")});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->text.n_windows, 2);
  EXPECT_EQ(report->divergence.n, 2 * 63);
  EXPECT_GT(report->divergence.kld.mean, 0);
  EXPECT_EQ(report->divergence.reference.nll.mean, measure_perplexity(source, text)->perplexity.nll.mean);
  EXPECT_EQ(json::parse(report->document, "document").value()["kld_mean"], report->divergence.kld.mean);
  EXPECT_GT(fs::file_size(path("log.jsonl")), 0u);
}

TEST(PublicMachine, backends_are_named_and_one_is_chosen) {
  const MachineFacts facts = machine_facts();
  ASSERT_FALSE(facts.backends.empty());
  EXPECT_EQ(facts.backends.back().name, "ref");
  EXPECT_TRUE(has_backend(facts.chosen_backend));
  EXPECT_FALSE(has_backend("abacus"));
  EXPECT_GT(facts.threads, 0);
  EXPECT_FALSE(families().empty());
}

TEST_F(PublicConvert, a_bundle_is_trained_before_anyone_sees_it) {
  Recorder recorder;
  ConvertOptions options;
  options.plan.profile = "uniform_2";
  options.plan.method = Method::rtn;
  options.output = path("trained");
  options.distillation = DistillationOptions{.steps = 3, .windows = 2, .window_length = 16, .rate = 1};
  const Result<ConvertReport> done = convert_model(kBundledModel, options, {.threads = 2, .observer = &recorder});
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(recorder.phases, (std::vector<std::string>{"detect", "allocate", "quantize", "write", "text", "train", "write"}));
  ASSERT_TRUE(done->distillation);
  EXPECT_EQ(done->distillation->steps, 3);
  EXPECT_LE(done->distillation->divergence, done->distillation->start_divergence);
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(dir_)) left.push_back(entry.path().filename());
  EXPECT_EQ(left, std::vector<std::string>{"trained"});
  // In one go and in two it is the same bundle.
  options.output = path("plain");
  options.distillation.reset();
  ASSERT_TRUE(convert_model(kBundledModel, options, {.threads = 2}).ok());
  ASSERT_TRUE(distill_bundle(path("plain"), kBundledModel, path("later"), {.steps = 3, .windows = 2, .window_length = 16, .rate = 1}).ok());
  const auto bytes = [&](const char* name) {
    std::ifstream file(path(name) + "/model.safetensors", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_TRUE(bytes("trained") == bytes("later"));
  EXPECT_FALSE(bytes("trained") == bytes("plain"));
  options.output = path("none");
  options.distillation = DistillationOptions{.steps = 0};
  EXPECT_EQ(convert_model(kBundledModel, options).status().code(), StatusCode::invalid_argument);
}

// Stopped while text is sampled there is no checkpoint yet: nothing is left that the next call would find in its way.
TEST_F(PublicConvert, a_training_that_was_stopped_before_it_began_leaves_nothing) {
  class Stopper final : public SilentObserver {
   public:
    void phase(int, int, std::string_view name) override { sampling_ = name == "text"; }
    void tick(std::int64_t, std::int64_t, std::string_view) override { cancel = cancel || sampling_; }
    CancelFlag cancel = false;

   private:
    bool sampling_ = false;
  } stopper;
  ConvertOptions options;
  options.plan.profile = "uniform_2";
  options.plan.method = Method::rtn;
  options.output = path("trained") + "/";
  options.distillation = DistillationOptions{.steps = 3, .windows = 2, .window_length = 16, .rate = 1};
  const Result<ConvertReport> stopped =
      convert_model(kBundledModel, options, {.threads = 1, .observer = &stopper, .cancel = &stopper.cancel});
  EXPECT_EQ(stopped.status().code(), StatusCode::cancelled) << stopped.status().message();
  EXPECT_TRUE(fs::is_empty(dir_));
  EXPECT_TRUE(convert_model(kBundledModel, options, {.threads = 2}).ok());
  EXPECT_TRUE(fs::exists(path("trained/config.json")));
}

}  // namespace
}  // namespace jang
