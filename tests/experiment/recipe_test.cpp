// SPDX-License-Identifier: Apache-2.0
// The grammar of recipes, and the logs that a killed comparison continues from.
#include "experiment/recipe.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "eval/score_log.h"
#include "experiment/line_log.h"

namespace jang::experiment {
namespace {

using namespace eval;

namespace fs = std::filesystem;

TEST(Recipe, names_are_canonical) {
  for (const auto& [typed, name] :
       std::vector<std::pair<std::string, std::string>>{{"JANG_2S", "JANG_2S"},
                                                        {"2s", "JANG_2S"},
                                                        {"jang_4k:rtn", "JANG_4K:rtn"},
                                                        {"uniform_2:fit", "uniform_2"},
                                                        {"mixed_2_6:rtn", "mixed_2_6:rtn"},
                                                        {"auto@3.0bpw", "auto@3.0bpw"},
                                                        {"auto@2S", "auto@JANG_2S"},
                                                        {"uniform_4@128", "uniform_4@128"},
                                                        {"4k:awq", "JANG_4K:awq"},
                                                        {"uniform_4@64:awq:rtn", "uniform_4@64:rtn:awq"},
                                                        {"auto@4.25bpw:awq", "auto@4.25bpw:awq:self"},
                                                        {"auto@4.25bpw:self:awq", "auto@4.25bpw:awq:self"},
                                                        {"uniform_4@128:vllm", "uniform_4@128:to-vllm"},
                                                        {"uniform_4@128:to-gptq:awq", "uniform_4@128:awq:to-gptq"},
                                                        {"uniform_4@128:awq:to-awq", "uniform_4@128:awq:to-awq"},
                                                        {"JANG_2S:to-mlx", "JANG_2S"},
                                                        {"auto@uniform_3:rtn", "auto@uniform_3:rtn"}}) {
    const auto recipe = parse_recipe(typed);
    ASSERT_TRUE(recipe.ok()) << typed << ": " << recipe.status().message();
    EXPECT_EQ(recipe.value().name, name);
  }
  const Recipe budget = parse_recipe("auto@3.25bpw").value();
  EXPECT_EQ(budget.target_bpw, 3.25);
  EXPECT_TRUE(budget.bytes_of.empty());
  const Recipe bytes = parse_recipe("auto@JANG_2S:rtn").value();
  EXPECT_EQ(bytes.bytes_of, "JANG_2S");
  EXPECT_EQ(bytes.method, plan::Method::rtn);
  EXPECT_FALSE(bytes.target_bpw.has_value());
}

TEST(Recipe, nonsense_is_refused) {
  for (const char* typed : {"",           "JANG_9Z",      "auto",        "auto@",          "auto@auto",          "auto@bpw",
                            "auto@-1bpw", "auto@3,0bpw",  "auto@1e2bpw", "auto@99bpw",     "auto@nanbpw",        "JANG_2S@3bpw",
                            "JANG_2S@48", "JANG_2S@",     "JANG_2S:",    "JANG_2S:mlx",    "JANG_2S:rtn:",       ":rtn",
                            "@3bpw",      "JANG_2S:gptq", "JANG_2S:to-", "JANG_2S:to-tgi", "JANG_2S:vllm:to-awq"}) {
    const auto recipe = parse_recipe(typed);
    ASSERT_FALSE(recipe.ok()) << typed;
    EXPECT_EQ(recipe.status().code(), StatusCode::invalid_argument) << typed;
  }
  EXPECT_FALSE(parse_recipe(std::string(1000, 'x')).ok());
}

TEST(Recipe, gguf_names_a_file) {
  const Recipe recipe = parse_recipe("gguf:folder.of:mine/model-Q4_K_M.gguf").value();
  EXPECT_EQ(recipe.name, "gguf:model-Q4_K_M.gguf");
  EXPECT_EQ(recipe.gguf_file, "folder.of:mine/model-Q4_K_M.gguf");
  EXPECT_TRUE(recipe.is_gguf());
  EXPECT_EQ(file_name_of(recipe), "gguf-model-Q4_K_M.gguf");
  EXPECT_FALSE(parse_recipe("JANG_4K").value().is_gguf());
  for (const char* bad : {"gguf:", "gguf:folder/", "gguf:.", "gguf:model"}) EXPECT_FALSE(parse_recipe(bad).ok()) << bad;
  EXPECT_FALSE(parse_recipes("gguf:a/x.gguf,gguf:b/x.gguf").ok());
}

TEST(Recipe, gguf_names_a_type) {
  const Recipe recipe = parse_recipe("gguf:IQ3_S:imatrix").value();
  EXPECT_EQ(recipe.gguf_type, "IQ3_S");
  EXPECT_TRUE(recipe.imatrix && recipe.is_gguf() && recipe.gguf_file.empty());
  EXPECT_EQ(recipe.name, "gguf:IQ3_S:imatrix");
  EXPECT_FALSE(parse_recipe("gguf:Q6_K").value().imatrix);
  for (const char* bad : {"gguf:Q9_K", "gguf:Q4_K_M:rtn", "gguf:Q4_K_M:self", "gguf::imatrix", "gguf:q4_k_m:"})
    EXPECT_FALSE(parse_recipe(bad).ok()) << bad;
}

TEST(Recipe, lists_hold_each_once) {
  const auto list = parse_recipes("JANG_2S,uniform_2:rtn,auto@JANG_2S");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list.value().size(), 3u);
  for (const char* bad : {"", "JANG_2S,", ",JANG_2S", "JANG_2S,2S", "uniform_2,uniform_2:fit"})
    EXPECT_FALSE(parse_recipes(bad).ok()) << bad;
}

TEST(Recipe, file_names_are_plain) {
  EXPECT_EQ(file_name_of(parse_recipe("auto@3.0bpw:rtn").value()), "auto-3.0bpw-rtn");
  EXPECT_EQ(file_name_of(parse_recipe("mixed_2_6").value()), "mixed_2_6");
}

WindowScores scores(std::size_t window, std::size_t n) {
  WindowScores s;
  s.window = window;
  for (std::size_t i = 0; i < n; ++i) {
    s.nll.push_back(std::exp(std::sin(static_cast<double>(i + window) * 1.7)) / 3);
    s.kld.push_back(1e-9 / static_cast<double>(i + 1));
    s.same.push_back(i % 3 == 0 ? 1 : 0);
  }
  return s;
}

TEST(ScoreLog, doubles_come_back_bit_for_bit) {
  const std::vector<Window> windows(3, Window{0, 9, 1});
  WindowScores broken = scores(2, 8);
  broken.kld[3] = std::nan("");
  const auto read = parse_score_log(score_line(scores(1, 8)) + score_line(broken), "log", windows, true);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_TRUE(read.value()[0].nll.empty());
  EXPECT_EQ(read.value()[1].nll, scores(1, 8).nll);
  EXPECT_EQ(read.value()[1].kld, scores(1, 8).kld);
  EXPECT_EQ(read.value()[1].same, scores(1, 8).same);
  EXPECT_TRUE(std::isnan(read.value()[2].kld[3]));
}

TEST(ScoreLog, foreign_lines_are_refused) {
  const std::vector<Window> windows(2, Window{0, 4, 1});
  for (const char* line : {"{}", "[]", "{\"window\":2,\"nll\":[1,2,3],\"kld\":[1,2,3],\"same\":\"000\"}",
                           "{\"window\":0,\"nll\":[1,2],\"kld\":[1,2],\"same\":\"00\"}", "{\"window\":0,\"nll\":[1,2,3]}",
                           "{\"window\":0,\"nll\":[1,2,3],\"kld\":[1,2,3],\"same\":\"002\"}",
                           "{\"window\":0,\"nll\":[1,2,\"x\"],\"kld\":[1,2,3],\"same\":\"000\"}", "nonsense"}) {
    const auto read = parse_score_log(line, "log", windows, true);
    ASSERT_FALSE(read.ok()) << line;
    EXPECT_EQ(read.status().code(), StatusCode::corrupt) << line;
  }
  const std::string twice = score_line(scores(0, 3)) + score_line(scores(0, 3));
  EXPECT_FALSE(parse_score_log(twice, "log", windows, true).ok());
}

TEST(LineLog, a_torn_line_is_cut_off) {
  const fs::path path = fs::path(testing::TempDir()) / "line_log_test.jsonl";
  fs::remove(path);
  std::string lines;
  {
    auto log = LineLog::open(path.string(), false, &lines);
    ASSERT_TRUE(log.ok()) << log.status().message();
    EXPECT_EQ(lines, "");
    ASSERT_TRUE(log.value().append("one\n").ok());
    ASSERT_TRUE(log.value().append("two\n").ok());
  }
  std::ofstream(path, std::ios::app) << "thr";
  {
    auto log = LineLog::open(path.string(), false, &lines);
    ASSERT_TRUE(log.ok());
    EXPECT_EQ(lines, "one\ntwo\n");
    ASSERT_TRUE(log.value().append("three\n").ok());
  }
  ASSERT_TRUE(LineLog::open(path.string(), false, &lines).ok());
  EXPECT_EQ(lines, "one\ntwo\nthree\n");
  ASSERT_TRUE(LineLog::open(path.string(), true, &lines).ok());
  EXPECT_EQ(fs::file_size(path), 0u);
  fs::remove(path);
  EXPECT_TRUE(LineLog::open("/nonexistent/log", false, &lines).status().is_write_error());
}

}  // namespace
}  // namespace jang::experiment
