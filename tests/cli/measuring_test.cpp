// SPDX-License-Identifier: Apache-2.0
// eval and compare as a user runs them, on the bundled model: documents, tables, what is refused.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/wait.h>

#include "../support/program.h"
#include "cli/arguments.h"
#include "json/json.h"

namespace jang::cli {
namespace {

using namespace jang::test;

class Measuring : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "jang_measuring_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }

  // Words are plain: no quoting.
  ProgramOutcome run(const std::string& words) const {
    const std::string errors = (dir_ / "stderr").string();
    FILE* pipe = popen((kProgram + " " + words + " 2>" + errors).c_str(), "r");
    if (pipe == nullptr) return {};
    ProgramOutcome o;
    std::array<char, 4096> buffer{};
    for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) o.out.append(buffer.data(), n);
    const int status = pclose(pipe);
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    std::ifstream file(errors);
    std::stringstream text;
    text << file.rdbuf();
    o.err = text.str();
    return o;
  }
  json::Value document(const ProgramOutcome& o) const {
    const auto v = json::parse(o.out, "stdout");
    EXPECT_TRUE(v.ok()) << o.code << o.out.substr(0, 200) << o.err;
    return v.ok() ? v.value() : json::Value::object();
  }
  fs::path dir_;
};

TEST_F(Measuring, perplexity_document_has_the_keys_of_the_contract) {
  const json::Value v = document(run("eval ppl " + kBundledModel + " -f " + kBundledText + " --ctx 64 --tokens 300 --json"));
  for (const char* key : {"schema_version", "perplexity", "nll", "stderr", "tokens", "ctx", "windows"})
    EXPECT_TRUE(v[key].is_number()) << key;
  EXPECT_EQ(v["tokens"], 4 * 63);
  EXPECT_EQ(v["protocol"], "windows");
  EXPECT_GT(v["perplexity"], 1);
}

TEST_F(Measuring, divergence_of_the_source_from_itself_is_zero) {
  const json::Value v =
      document(run("eval kld " + kBundledModel + " --ref " + kBundledModel + " -f " + kBundledText + " --ctx 64 --tokens 128 --json"));
  EXPECT_EQ(v["kld_mean"], 0.0);
  EXPECT_EQ(v["kld_percentiles"]["max"], 0.0);
  EXPECT_EQ(v["same_top"], 1.0);
  EXPECT_EQ(v["perplexity"], v["ref_perplexity"]);
}

TEST_F(Measuring, tasks_are_scored_and_compared) {
  std::ofstream(dir_ / "tasks.jsonl") << "{\"context\":\"He went to the\",\"choices\":[\"house\",\"of of of\"],\"answer\":0}\n"
                                         "{\"context\":\"She said that\",\"choices\":[\"zzzq\",\"she was glad\"],\"answer\":1}\n";
  const std::string tasks = (dir_ / "tasks.jsonl").string(), log = (dir_ / "log.jsonl").string();
  const json::Value v = document(run("eval choice " + kBundledModel + " -f " + tasks + " --items " + log + " --json"));
  EXPECT_EQ(v["items"], 2);
  EXPECT_TRUE(v["accuracy_norm"].is_number());
  const json::Value again = document(run("eval choice " + kBundledModel + " -f " + tasks + " --against " + log + " --json"));
  EXPECT_EQ(again["against"]["p"], 1.0);
  EXPECT_EQ(again["accuracy"], v["accuracy"]);
}

TEST_F(Measuring, misplaced_and_missing_options_are_refused) {
  for (const auto& [words, part] : std::vector<std::pair<std::string, std::string>>{
           {"eval ppl " + kBundledModel, "--file"},
           {"eval kld " + kBundledModel + " -f " + kBundledText, "--ref"},
           {"eval mmlu " + kBundledModel, "--data"},
           {"eval mmlu " + kBundledModel + " --data x -f y", "--file has no meaning"},
           {"eval ppl " + kBundledModel + " -f " + kBundledText + " --shots 5", "--shots has no meaning"},
           {"eval ppl " + kBundledModel + " -f " + kBundledText + " --ctx 1", "--ctx"},
           {"eval ppl " + kBundledModel + " -f " + kBundledText + " --stride 8", "no stride"},
           {"eval ppl " + kBundledModel + " -f " + kBundledText + " --tokens 10", "fewer than one window"},
           {"eval quality " + kBundledModel, "ppl, kld, generate, mmlu, choice"},
           {"eval ppl", "MODEL"},
           {"compare " + kBundledModel, "--file"},
           {"compare " + kBundledModel + " -f " + kBundledText + " -p JANG_2S,JANG_2S", "twice"},
           {"compare " + kBundledModel + " -f " + kBundledText + " -p auto", "budget"}}) {
    const ProgramOutcome o = run(words);
    EXPECT_EQ(o.code, 2) << words << "\n" << o.err;
    EXPECT_TRUE(contains(o.err, part)) << words << "\n" << o.err;
    EXPECT_EQ(o.out, "");
  }
  EXPECT_EQ(run("eval ppl " + dir_.string() + "/none -f " + kBundledText).code, 3);
  EXPECT_EQ(run("eval ppl " + kBundledModel + " -f " + dir_.string() + "/none").code, 3);
}

TEST_F(Measuring, comparison_writes_a_table_a_page_and_a_document) {
  const std::string work = (dir_ / "work").string();
  const std::string words =
      "compare " + kBundledModel + " -p uniform_4:rtn,JANG_2S -f " + kBundledText + " --ctx 64 --tokens 128 -o " + work;
  const ProgramOutcome table = run(words);
  ASSERT_EQ(table.code, 0) << table.err;
  for (const char* part : {"source", "uniform_4:rtn", "JANG_2S", "KLD", "decode t/s", "report.html"})
    EXPECT_TRUE(contains(table.out, part)) << part << "\n" << table.out;
  const json::Value v = document(run(words + " --json -q"));
  EXPECT_EQ(v["schema_version"], 1);
  ASSERT_EQ(v["models"].size(), 3u);
  EXPECT_GT(v["models"][1]["kld_mean"], 0);
  EXPECT_GT(v["models"][2]["decode_tokens_per_second"], 0);
  EXPECT_TRUE(fs::exists(work + "/report.html"));
  EXPECT_TRUE(fs::exists(work + "/compare.json"));
}

TEST(MeasuringArguments, two_positionals_are_told_apart) {
  const auto parsed = parse_arguments({"eval", "--ctx", "64", "kld", "-f", "text", "model", "--ref", "source"});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed.value().value("WHAT"), "kld");
  EXPECT_EQ(parsed.value().value("MODEL"), "model");
  EXPECT_FALSE(parse_arguments({"eval", "kld", "model", "more"}).ok());
}

TEST(MeasuringArguments, a_default_may_differ_between_commands) {
  EXPECT_EQ(parse_arguments({"eval", "mmlu", "m"}).value().value("--subset"), "all");
  EXPECT_EQ(parse_arguments({"compare", "m"}).value().value("--subset"), "200");
}

}  // namespace
}  // namespace jang::cli
