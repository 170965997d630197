// SPDX-License-Identifier: Apache-2.0
// `jang compare` from outside: its table, document and page; stopped in any way, it goes on to the same result.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;

class CompareCommand : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    std::string text;
    for (int i = 0; text.size() < 12'000; ++i)
      text += "In the year " + std::to_string(1700 + i) + " the captain went to sea, and nobody on the shore knew when she would return. ";
    write("text.txt", text);
  }
  // Many short windows: many places to be stopped at.
  static Words compare(const std::string& work, const Words& more = {}, const std::string& recipes = "JANG_4K,uniform_2:rtn") {
    Words words = {"compare",  kBundledModel, "-p",         recipes, "-f", "text.txt", "--ctx", "16",
                   "--tokens", "800",         "--no-speed", "-t",    "1",  "-o",       work};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  // The document without times and places.
  json::Value result(const std::string& work) const {
    json::Value d = parse(read_file(dir_ / work / "compare.json"));
    for (json::Value& row : d["models"]) row.erase("convert_seconds");
    d.erase("output");
    d.erase("report");
    return d;
  }
  // Lines of measurements in `work`.
  std::size_t n_scores(const std::string& work) const {
    std::size_t n = 0;
    for (const fs::directory_entry& entry : fs::directory_iterator(dir_ / work / "scores")) {
      const std::string lines = read_file(entry.path());
      n += static_cast<std::size_t>(std::ranges::count(lines, '\n'));
    }
    return n;
  }
};

TEST_F(CompareCommand, table_document_and_page_agree) {
  const ProgramOutcome table = run(compare("work", {"--progress", "off"}));
  ASSERT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(table.err, "");
  for (const char* part : {"gutenberg-moe-9m", "recipe", "KLD", "source", "JANG_4K", "uniform_2:rtn", "page: work/report.html"})
    EXPECT_TRUE(contains(table.out, part)) << part << " in\n" << table.out;
  const ProgramOutcome again = run(compare("work", {"--json", "-q"}));  // all is measured: it only reports
  EXPECT_EQ(again.code, 0) << again.err;
  const json::Value d = document(again);
  EXPECT_EQ(d["schema_version"], 1);
  ASSERT_EQ(d["models"].size(), 3u);
  EXPECT_EQ(again.out, read_file(dir_ / "work" / "compare.json"));
  const std::string page = read_file(dir_ / "work" / "report.html");
  EXPECT_TRUE(contains(page, "uniform_2:rtn"));
  EXPECT_TRUE(contains(read_file(dir_ / "work" / "frontier.svg"), "<svg"));
  for (const char* bundle : {"JANG_4K", "uniform_2"}) EXPECT_TRUE(contains(page, bundle));
}

TEST_F(CompareCommand, stopped_it_goes_on_to_the_same_result) {
  // Rounding is quick; it is the measuring that is stopped.
  const auto rounded = [](const std::string& work, const Words& more) { return compare(work, more, "uniform_4:rtn,uniform_2:rtn"); };
  ASSERT_EQ(run(rounded("whole", {"-q"})).code, 0);
  const std::size_t all = n_scores("whole");
  ASSERT_GE(all, 3 * 40u);
  for (const int number : {SIGINT, SIGKILL}) {
    const std::string work = "stopped-by-" + std::to_string(number);
    const ProgramOutcome stopped = run_and_signal(rounded(work, {"--progress", "json"}), "\"name\":\"measure\"", number);
    ASSERT_EQ(stopped.code, 128 + number) << stopped.err;
    EXPECT_FALSE(fs::exists(dir_ / work / "compare.json"));
    EXPECT_LT(n_scores(work), all);
    const ProgramOutcome resumed = run(rounded(work, {"--progress", "json"}));
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(documents(resumed.err).back()["ok"], true);
    EXPECT_EQ(n_scores(work), all);
    EXPECT_EQ(result(work), result("whole"));
  }
}

// A calibration of its own is a part of the phase that needs it, and what is counted never exceeds its total.
TEST_F(CompareCommand, progress_counts_what_it_says) {
  fs::copy(source_dir() + "/tests/data/bugs/12-first-space-of-answer-lost/model", dir_ / "tiny");
  Words words = compare("work", {"--progress", "json"}, "JANG_4K:self,uniform_4");
  words[1] = "tiny";
  const ProgramOutcome done = run(words);
  ASSERT_EQ(done.code, 0) << done.err;
  int phase = 0, n_parts = 0;
  for (const json::Value& event : documents(done.err)) {
    if (event["type"] == "phase") {
      EXPECT_GE(event["n"], std::max(phase, 1)) << event;
      EXPECT_LE(event["n"], event["total"]) << event;
      phase = event["n"];
      n_parts += event["name"] == "activations" ? 1 : 0;
    }
    if (event["type"] == "tick") {
      EXPECT_LE(event["done"], event["total"]) << event;
    }
  }
  EXPECT_EQ(phase, 3);
  EXPECT_EQ(n_parts, 1);
}

TEST_F(CompareCommand, impossible_comparisons_are_refused) {
  const Words all = compare("work");
  const auto without = [&](const std::string& option) {
    Words words = all;
    const auto at = std::ranges::find(words, option);
    words.erase(at, at + 2);
    return words;
  };
  EXPECT_EQ(run(without("-f")).code, 2);
  const auto with = [&](const std::string& option, const std::string& value) {
    Words words = without(option);
    words.insert(words.end(), {option, value});
    return run(words);
  };
  EXPECT_EQ(with("-f", "nowhere.txt").code, 3);
  EXPECT_EQ(with("-p", "JANG_9Z").code, 2);
  EXPECT_EQ(with("-p", "").code, 2);
  EXPECT_EQ(with("--ctx", "1").code, 2);
  EXPECT_EQ(with("--tokens", "0").code, 2);
  Words missing = all;
  missing[1] = "no/such-model";
  const ProgramOutcome none = run(missing);
  EXPECT_EQ(none.code, 3);
  EXPECT_TRUE(contains(none.err, "cannot compare recipes on no/such-model")) << none.err;
}

}  // namespace
}  // namespace jang::cli
