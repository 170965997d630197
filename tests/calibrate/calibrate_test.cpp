// SPDX-License-Identifier: Apache-2.0
// Calibration on the bundled mixture of experts: few short windows, every property that does not need many.
#include "calibrate/calibrate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bundled_model.h"
#include "calibrate/allocate.h"
#include "calibrate/fisher.h"
#include "calibrate/moments.h"

namespace jang::calibrate {
namespace {

namespace fs = std::filesystem;

TextOptions few() { return {.n_windows = 3, .length = 24, .seed = 5}; }

TEST(Text, sampled_windows_repeat_for_any_number_of_threads) {
  const auto one = load(1), two = load(2);
  ASSERT_TRUE(one && two);
  const auto a = sample_windows(*one, few(), silent, nullptr), b = sample_windows(*two, few(), silent, nullptr);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->n(), 3);
  EXPECT_EQ(a->tokens, b->tokens);
  TextOptions other = few();
  other.seed = 6;
  EXPECT_NE(sample_windows(*one, other, silent, nullptr)->tokens, a->tokens);
  // <|endoftext|> starts every document of this model.
  for (std::int64_t w = 0; w < a->n(); ++w) EXPECT_EQ(a->tokens[static_cast<std::size_t>(w * a->length)], 0);
}

// The bundled model with a tokenizer that puts <|endoftext|> in front of every text.
std::unique_ptr<engine::Engine> load_with_begin_token(const fs::path& directory) {
  fs::remove_all(directory);
  fs::create_directories(directory);
  for (const auto& file : fs::directory_iterator(test::kBundledModel))
    if (file.path().filename() != "tokenizer.json") fs::create_symlink(fs::absolute(file.path()), directory / file.path().filename());
  nlohmann::ordered_json tokenizer = nlohmann::ordered_json::parse(std::ifstream(fs::path(test::kBundledModel) / "tokenizer.json"));
  const nlohmann::ordered_json begin = {{"SpecialToken", {{"id", "<|endoftext|>"}, {"type_id", 0}}}};
  const auto sequence = [](const char* id) { return nlohmann::ordered_json{{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
  tokenizer["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {begin, sequence("A")}},
      {"pair", {begin, sequence("A"), sequence("B")}},
      {"special_tokens", {{"<|endoftext|>", {{"id", "<|endoftext|>"}, {"ids", {0}}, {"tokens", {"<|endoftext|>"}}}}}}};
  std::ofstream(directory / "tokenizer.json") << tokenizer;
  auto engine = engine::Engine::load(directory.string(), test::on_test_device({.precision = kernels::Precision::exact}));
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(engine).value() : nullptr;
}

TEST(Text, every_second_window_leaves_out_a_begin_token_that_the_tokenizer_adds) {
  const fs::path directory = fs::temp_directory_path() / ("jang_begin_token_" + std::to_string(getpid()));
  const auto plain = load(), adding = load_with_begin_token(directory);
  ASSERT_TRUE(plain && adding);
  TextOptions longer = few();
  ++longer.length;
  const auto drawn = sample_windows(*plain, longer, silent, nullptr), windows = sample_windows(*adding, few(), silent, nullptr);
  ASSERT_TRUE(drawn.ok() && windows.ok());
  const auto part = [](const Windows& w, std::int64_t window, std::int64_t from, std::int64_t n) {
    const auto at = w.tokens.begin() + window * w.length + from;
    return std::vector<std::int32_t>(at, at + n);
  };
  for (const std::int64_t w : {0, 1, 2}) EXPECT_EQ(part(*windows, w, 0, 24), part(*drawn, w, w % 2, 24)) << w;
  TextOptions second = few();
  second.n_windows = 1;
  second.first = 1;
  EXPECT_EQ(sample_windows(*adding, second, silent, nullptr)->tokens, part(*windows, 1, 0, 24));
  fs::remove_all(directory);
}

TEST(Text, given_text_is_cut_into_windows_and_short_text_refused) {
  const auto engine = load();
  ASSERT_TRUE(engine);
  std::string text;
  for (int i = 0; i < 60; ++i) text += "The captain went down to the sea again. ";
  const auto w = text_windows(*engine, text, few());
  ASSERT_TRUE(w.ok()) << w.status().message();
  EXPECT_EQ(w->n(), 3);
  EXPECT_EQ(text_windows(*engine, "Too short.", few()).status().code(), StatusCode::invalid_argument);
}

TEST(Moments, experts_see_every_token_top_k_times) {
  const auto engine = load();
  ASSERT_TRUE(engine);
  const auto windows = random_windows(*engine, few());
  ASSERT_TRUE(windows.ok());
  const auto inputs = measure_moments(*engine, *windows, silent, nullptr);
  ASSERT_TRUE(inputs.ok()) << inputs.status().message();
  const format::InputStatistics& up = inputs->at("model.layers.1.mlp.experts.up_proj");
  EXPECT_EQ(up.tokens.size(), 16u);
  std::int64_t sum = 0;
  for (const std::int64_t n : up.tokens) sum += n;
  EXPECT_EQ(sum, 3 * 24 * std::get<arch::ExpertsSpec>(engine->decoder().config().layers[1].ffn).top_k);
  EXPECT_TRUE(inputs->contains("lm_head"));
  EXPECT_FALSE(inputs->contains("model.embed_tokens"));  // only looked up
  const format::InputStatistics& q = inputs->at("model.layers.0.self_attn.q_proj");
  EXPECT_EQ(q.tokens, std::vector<std::int64_t>{3 * 24});
  EXPECT_EQ(q.mean_square, inputs->at("model.layers.0.self_attn.v_proj").mean_square);
}

// What the probe sums, against sums of what another probe saw.
TEST(Moments, means_of_squares_are_right) {
  const auto engine = load();
  ASSERT_TRUE(engine);
  TextOptions one = few();
  one.n_windows = 1;
  const auto windows = random_windows(*engine, one);
  ASSERT_TRUE(windows.ok());
  struct Watch final : public model::Probe {
    void input(std::span<const std::string_view> modules, int, kernels::Device& device, const kernels::Tensor& x) override {
      if (modules.front() != "model.layers.2.self_attn.o_proj") return;
      seen.resize(static_cast<std::size_t>(x.rows * x.columns));
      ASSERT_TRUE(device.read(x, seen.data()).ok());
      columns = x.columns;
    }
    std::vector<float> seen;
    std::int64_t columns = 0;
  } watch;
  engine->decoder().set_probe(&watch);
  model::Sequence sequence = engine->new_sequence();
  const model::BatchItem item{&sequence, windows->length};
  std::vector<float> hidden;
  ASSERT_TRUE(engine->forward({&item, 1}, windows->tokens, &hidden).ok());
  engine->decoder().set_probe(nullptr);
  ASSERT_GT(watch.columns, 0);
  const auto inputs = measure_moments(*engine, *windows, silent, nullptr);
  ASSERT_TRUE(inputs.ok());
  const std::vector<float>& mean = inputs->at("model.layers.2.self_attn.o_proj").mean_square;
  for (std::int64_t j = 0; j < watch.columns; ++j) {
    double sum = 0;
    for (std::int64_t t = 0; t < windows->length; ++t) {
      const double x = watch.seen[static_cast<std::size_t>(t * watch.columns + j)];
      sum += x * x;
    }
    EXPECT_NEAR(mean[static_cast<std::size_t>(j)], sum / static_cast<double>(windows->length), 1e-6 * (1 + sum)) << j;
  }
}

class LaboratoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = load();
    ASSERT_TRUE(engine_);
    auto windows = random_windows(*engine_, few());
    ASSERT_TRUE(windows.ok());
    windows_ = std::move(windows).value();
    auto lab = Laboratory::create(*engine_, windows_, 1000, importance_, {});
    ASSERT_TRUE(lab.ok()) << lab.status().message();
    lab_.emplace(std::move(lab).value());
  }
  const arch::Unit& unit(std::string_view name) const {
    return *std::ranges::find_if(lab_->units(), [&](const arch::Unit& u) { return u.name == name; });
  }
  std::unique_ptr<engine::Engine> engine_;
  Windows windows_;
  quantize::Importance importance_;
  std::optional<Laboratory> lab_;
};

TEST_F(LaboratoryTest, routers_are_no_units_and_experts_are_one) {
  EXPECT_EQ(lab_->units().size(), 4u * 7 + 2);
  for (const arch::Unit& u : lab_->units()) EXPECT_FALSE(u.name.ends_with("mlp.gate")) << u.name;
}

TEST_F(LaboratoryTest, divergence_falls_with_bits_and_vanishes_for_the_source) {
  const arch::Unit& v = unit("model.layers.2.self_attn.v_proj");
  std::vector<Trial> trials;
  for (const int bits : {2, 4, 8}) trials.push_back({&v, {bits, 64}, 0, 0});
  trials.push_back({&v, {0, 0}, 0, 0});
  ASSERT_TRUE(lab_->run(trials, silent, nullptr).ok());
  EXPECT_GT(trials[0].divergence, trials[1].divergence);
  EXPECT_GT(trials[1].divergence, trials[2].divergence);
  EXPECT_LT(trials[3].divergence, 1e-9);
  EXPECT_GT(trials[0].error, trials[1].error);
}

TEST_F(LaboratoryTest, shortcuts_change_nothing) {
  // A unit of every kind: the trial, where only what lies behind runs again, against the same choice as a background.
  for (const char* name : {"model.embed_tokens", "model.layers.0.self_attn.q_proj", "model.layers.3.mlp.experts.down_proj", "lm_head"}) {
    std::vector<Trial> trials = {{&unit(name), {3, 64}, 0, 0}};
    ASSERT_TRUE(lab_->run(trials, silent, nullptr).ok());
    const auto whole = lab_->set_background({{name, {3, 64}}});
    ASSERT_TRUE(whole.ok());
    EXPECT_NEAR(trials[0].divergence, *whole, 1e-7 + 1e-4 * *whole) << name;
    ASSERT_TRUE(lab_->set_background({}).ok());
  }
}

TEST_F(LaboratoryTest, weights_are_back_when_it_is_gone) {
  const std::byte* before = engine_->decoder().matrices("lm_head")[0].data;
  ASSERT_TRUE(lab_->set_background({{"lm_head", {2, 64}}}).ok());
  EXPECT_NE(engine_->decoder().matrices("lm_head")[0].data, before);
  lab_.reset();
  EXPECT_EQ(engine_->decoder().matrices("lm_head")[0].data, before);
}

Options quick() {
  Options o;
  o.windows = few();
  o.widths = {2, 4};
  return o;
}

// Sets a flag after so many trials.
struct StopAfter final : public Observer {
  void phase(int, int, std::string_view name) override { trials = name == "sensitivities"; }
  void tick(std::int64_t done, std::int64_t, std::string_view) override {
    if (trials && done == 20) flag = true;
  }
  void info(std::string_view) override {}
  void warn(std::string_view) override {}
  CancelFlag flag{false};
  bool trials = false;
};

TEST(Calibrate, interrupted_run_is_taken_up_with_the_same_result) {
  const std::string partial = (std::filesystem::temp_directory_path() / "jang_calibrate_test.partial").string();
  std::filesystem::remove(partial);
  const auto engine = load();
  ASSERT_TRUE(engine);
  Options o = quick();
  o.trials = true;
  const auto whole = calibrate(*engine, o, silent, nullptr);
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  o.partial_path = partial;
  StopAfter stop;
  EXPECT_EQ(calibrate(*engine, o, stop, &stop.flag).status().code(), StatusCode::cancelled);
  const auto kept = format::read_statistics(partial);
  ASSERT_TRUE(kept.ok()) << kept.status().message();
  EXPECT_GE(kept->sensitivities.size(), 9u);
  EXPECT_LT(kept->sensitivities.size(), whole->sensitivities.size());
  const auto resumed = calibrate(*engine, o, silent, nullptr);
  ASSERT_TRUE(resumed.ok());
  EXPECT_EQ(format::serialize(*resumed), format::serialize(*whole));
  std::filesystem::remove(partial);
}

TEST(Calibrate, a_mixture_has_gradients_and_an_anchor_of_every_role_before_a_router) {
  const auto engine = load();
  ASSERT_TRUE(engine);
  const auto s = calibrate(*engine, quick(), silent, nullptr);
  ASSERT_TRUE(s.ok()) << s.status().message();
  EXPECT_EQ(s->fisher.size(), engine->decoder().modules().size());
  EXPECT_EQ(s->fisher_positions, 3 * 23);
  EXPECT_EQ(s->sensitivities.size(), 8u);  // q k v o, gate up down, embedding
  for (const auto& [unit, points] : s->sensitivities) EXPECT_EQ(points.size(), 1u) << unit;
}

TEST(Calibrate, gradients_and_trials_run_on_the_measured_windows_only) {
  const auto engine = load();
  ASSERT_TRUE(engine);
  Options o = quick();
  const auto all = calibrate(*engine, o, silent, nullptr);
  o.measured_windows = 2;
  const auto some = calibrate(*engine, o, silent, nullptr);
  ASSERT_TRUE(all.ok() && some.ok()) << some.status().message();
  EXPECT_EQ(some->tokens, all->tokens);
  EXPECT_EQ(some->inputs.at("lm_head").tokens, all->inputs.at("lm_head").tokens);
  EXPECT_EQ(some->fisher_positions, 2 * 23);
  EXPECT_EQ(some->positions, 2 * 24);  // of trials; their last ones are scored, too
  const auto two = measure_fisher(*engine, measured_windows_of(*some), o.windows.seed, silent, nullptr);
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(some->fisher.at("lm_head").rows, two->by_module.at("lm_head").rows);
  EXPECT_NE(some->fisher.at("lm_head").rows, all->fisher.at("lm_head").rows);
}

class Allocated : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Calibrate, Allocated, ::testing::Bool(), [](const auto& p) { return p.param ? "trials" : "gradients"; });

TEST_P(Allocated, allocation_is_measured_and_the_best_round_kept) {
  const auto engine = load();
  ASSERT_TRUE(engine);
  Options o = quick();
  o.trials = GetParam();
  const auto statistics = calibrate(*engine, o, silent, nullptr);
  ASSERT_TRUE(statistics.ok());
  const auto source = quantize::open_source(test::kBundledModel);
  ASSERT_TRUE(source.ok());
  plan::Options options;
  options.profile = "auto";
  options.target_bpw = 2.6;
  quantize::RunOptions run;
  run.n_threads = 2;
  run.statistics = &*statistics;
  const auto measured = allocate_measured(*engine, *source, options, run, 2, 1000);
  ASSERT_TRUE(measured.ok()) << measured.status().message();
  ASSERT_EQ(measured->by_round.size(), 3u);
  EXPECT_EQ(measured->divergence, *std::ranges::min_element(measured->by_round));
  EXPECT_EQ(measured->plan.statistics, statistics->digest);
  EXPECT_EQ(measured->plan.allocation, plan::AllocatedBy::measured_sensitivities);
}

TEST(UsualRounds, large_vocabularies_leave_too_few_positions_for_a_correction) {
  arch::Model model;
  arch::OutTensor& embedding = model.tensors.emplace_back();
  embedding.role = arch::Role::tied_embedding;
  embedding.shape = {262'144, 640};
  EXPECT_EQ(usual_rounds(model), 0);
  embedding.shape = {32'000, 640};
  EXPECT_EQ(usual_rounds(model), 1);
  model.tensors.clear();
  EXPECT_EQ(usual_rounds(model), 1);
}

}  // namespace
}  // namespace jang::calibrate
