// SPDX-License-Identifier: Apache-2.0
// Command line to planning options: defaults, budgets, contradictions.
#include "cli/planning.h"

#include <gtest/gtest.h>

namespace jang::cli {
namespace {

Result<PlanOptions> options_from(std::vector<std::string> words) {
  words.insert(words.begin(), {"convert", "src"});
  const Result<Arguments> arguments = parse_arguments(words);
  EXPECT_TRUE(arguments.ok()) << arguments.status().message();
  if (!arguments.ok()) return arguments.status();
  return planning_options(arguments.value());
}

TEST(Planning, default_is_jang_4k_fit) {
  const auto options = options_from({});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options.value().profile, "JANG_4K");
  EXPECT_EQ(options_from({"-p", "2"}).value().profile, "JANG_2S");
  EXPECT_EQ(options.value().method, Method::fit);
  EXPECT_EQ(options.value().group_size, 0);
  EXPECT_EQ(options.value().scale_type, ScaleType::automatic);
  EXPECT_EQ(options.value().floors, Floors::automatic);
}

TEST(Planning, every_option_arrives) {
  const auto options = options_from({"-p", "4", "-m", "rtn", "--group-size", "32", "--scale-dtype", "fp16", "--floors", "on", "--tensor",
                                     "o_proj=6", "--tensor", "lm_head=8:32"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options.value().profile, "JANG_4K");
  EXPECT_EQ(options.value().method, Method::rtn);
  EXPECT_EQ(options.value().group_size, 32);
  EXPECT_EQ(options.value().scale_type, ScaleType::f16);
  EXPECT_EQ(options.value().floors, Floors::on);
  ASSERT_EQ(options.value().overrides.size(), 2u);
  EXPECT_EQ(options.value().overrides[1], "lm_head=8:32");
}

TEST(Planning, effort_is_a_ladder) {
  const auto level = [](const char* n) { return options_from({"--bpw", "3", "--effort", n}).value(); };
  EXPECT_EQ(level("0").method, Method::rtn);
  EXPECT_EQ(level("1").method, Method::fit);
  EXPECT_FALSE(level("1").self_calibrate);
  EXPECT_EQ(level("2").method, Method::fit);
  EXPECT_TRUE(level("2").self_calibrate);
  for (const char* n : {"3", "4"}) {
    EXPECT_EQ(level(n).method, Method::gptq);
    EXPECT_TRUE(level(n).self_calibrate);
  }
}

TEST(Planning, budget_makes_the_profile_auto) {
  const auto bpw = options_from({"--bpw", "3.25"});
  ASSERT_TRUE(bpw.ok());
  EXPECT_EQ(bpw.value().profile, "auto");
  EXPECT_EQ(bpw.value().bits_per_weight, 3.25);
  const auto size = options_from({"-p", "auto", "--size", "48GB"});
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(size.value().file_bytes, 48'000'000'000ull);
}

TEST(Planning, contradictions_are_usage_errors) {
  const std::vector<std::vector<std::string>> lines = {
      {"--bpw", "3", "--size", "4GB"},
      {"--bpw", "3", "-p", "4K"},
      {"-p", "auto"},
      {"-p", "JANG_9Z"},
      {"--bpw", "0"},
      {"--bpw", "thirty"},
      {"--effort", "3", "--method", "fit"},
      {"--effort", "2", "--self"},
      {"--effort", "4", "--distill", "10"},
      {"--effort", "2", "--stats", "x"},
      {"--tensor", "lm_head"},
      {"--tensor", "lm_head=7"},
      {"--size", "4G"},
      {"--plan", "p.json", "-p", "2S"},
      {"--plan", "p.json", "--bpw", "3"},
      {"--plan", "p.json", "--tensor", "x=4"},
      {"-p", "9"},
  };
  for (const auto& line : lines) {
    const auto options = options_from(line);
    EXPECT_FALSE(options.ok()) << line.front() << " " << line.back();
    if (!options.ok()) {
      EXPECT_EQ(options.status().code(), StatusCode::invalid_argument) << line.front();
    }
  }
}

TEST(Planning, threads_and_backend_are_checked) {
  const auto run = [](const std::vector<std::string>& words) { return run_options(parse_arguments(words).value(), {}); };
  EXPECT_EQ(run({"convert", "src", "-t", "3"}).value().threads, 3);
  EXPECT_EQ(run({"convert", "src", "--backend", "ref"}).value().backend, "ref");
  EXPECT_EQ(run({"convert", "src"}).value().backend, "");
  EXPECT_FALSE(run({"convert", "src", "-t", "0"}).ok());
  EXPECT_FALSE(run({"convert", "src", "-t", "many"}).ok());
}

TEST(Planning, progress_mode_follows_option_and_terminal) {
  EXPECT_EQ(progress_mode("auto", false, true), ProgressMode::bar);
  EXPECT_EQ(progress_mode("auto", false, false), ProgressMode::lines);
  EXPECT_EQ(progress_mode("auto", true, true), ProgressMode::off);
  EXPECT_EQ(progress_mode("json", true, false), ProgressMode::json);
  EXPECT_EQ(progress_mode("off", false, true), ProgressMode::off);
}

TEST(Planning, knowledge_arrives_and_is_refused_where_it_is_nonsense) {
  const auto options_of = [](std::vector<std::string> words) -> Result<PlanOptions> {
    words.insert(words.begin(), {"plan", "src"});
    PlanOptions options;
    JANG_TRY(add_knowledge(parse_arguments(words).value(), &options));
    return options;
  };
  EXPECT_FALSE(options_of({}).value().self_calibrate);
  EXPECT_EQ(options_of({}).value().correction_rounds, std::nullopt);
  const Result<PlanOptions> self = options_of({"--self", "--samples", "3", "--seq-len", "64", "--budget", "0", "--rounds", "2"});
  ASSERT_TRUE(self.ok()) << self.status().message();
  EXPECT_TRUE(self.value().self_calibrate);
  EXPECT_EQ(self.value().calibration.n_windows, 3);
  EXPECT_EQ(options_of({"--self"}).value().calibration.n_windows, 0);  // as many as the method asks for
  EXPECT_EQ(self.value().calibration.window_length, 64);
  EXPECT_EQ(self.value().calibration.budget_seconds, 0);
  EXPECT_EQ(self.value().correction_rounds, 2);
  EXPECT_EQ(options_of({"--stats", "s.safetensors"}).value().statistics_file, "s.safetensors");
  EXPECT_EQ(options_of({"--rounds", "21"}).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace jang::cli
