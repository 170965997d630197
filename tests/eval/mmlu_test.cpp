// SPDX-License-Identifier: Apache-2.0
// MMLU files to prompts, shots that must fit, and tasks from JSON lines.
#include "eval/mmlu.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "eval/tasks.h"

namespace jang::eval {
namespace {

namespace fs = std::filesystem;

class Mmlu : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::path(testing::TempDir()) / ("mmlu_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(directory_);
    fs::create_directories(directory_ / "test");
    fs::create_directories(directory_ / "dev");
  }
  void TearDown() override { fs::remove_all(directory_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name, std::ios::binary) << text; }
  fs::path directory_;
};

MmluSubject small_subject() {
  MmluSubject s;
  s.name = "high_school_physics";
  s.test = {{"What is heavy?", {"lead", "air", "light", "a thought"}, 0}};
  s.dev = {{"Is it?", {"yes", "no", "both", "neither"}, 1}, {"Was it?", {"y", "n", "b", "x"}, 3}};
  return s;
}

TEST_F(Mmlu, prompt_is_the_original_one) {
  const TaskItem zero = mmlu_item(small_subject(), 0, 0);
  EXPECT_EQ(zero.context,
            "The following are multiple choice questions (with answers) about high school physics.\n\n"
            "What is heavy?\nA. lead\nB. air\nC. light\nD. a thought\nAnswer:");
  EXPECT_EQ(zero.continuations, (std::vector<std::string>{" A", " B", " C", " D"}));
  EXPECT_EQ(zero.answer, 0);
  EXPECT_EQ(zero.id, "high_school_physics/0");
  const TaskItem two = mmlu_item(small_subject(), 0, 2);
  EXPECT_EQ(two.context,
            "The following are multiple choice questions (with answers) about high school physics.\n\n"
            "Is it?\nA. yes\nB. no\nC. both\nD. neither\nAnswer: B\n\n"
            "Was it?\nA. y\nB. n\nC. b\nD. x\nAnswer: D\n\n"
            "What is heavy?\nA. lead\nB. air\nC. light\nD. a thought\nAnswer:");
}

Result<Tokens> encode_bytes(std::string_view text) { return Tokens(text.begin(), text.end()); }

TEST_F(Mmlu, shots_are_dropped_until_the_prompt_fits) {
  const std::vector<MmluSubject> subjects = {small_subject()};
  const auto length = [&](std::size_t shots) { return static_cast<std::int64_t>(mmlu_item(subjects[0], 0, shots).context.size()) + 1; };
  for (const auto& [limit, shots] :
       {std::pair{std::int64_t{0}, 2}, {length(2), 2}, {length(2) - 1, 1}, {length(1) - 1, 0}, {length(0), 0}}) {
    const auto items = make_mmlu_items(subjects, encode_bytes, -1, limit);
    ASSERT_TRUE(items.ok());
    EXPECT_EQ(items.value()[0].n_shots, shots) << limit;
    EXPECT_FALSE(items.value()[0].tokens.cut);
  }
  EXPECT_TRUE(make_mmlu_items(subjects, encode_bytes, -1, length(0) - 1).value()[0].tokens.cut);
}

TEST_F(Mmlu, letters_and_indices_are_read) {
  const auto letters = parse_mmlu("Q,1,2,3,4,C\n", "t");
  ASSERT_TRUE(letters.ok());
  EXPECT_EQ(letters.value()[0].answer, 2);
  const auto indices = parse_mmlu("question,choice0,choice1,choice2,choice3,answer\n\"Q, \"\"q\"\"\",1,2,3,4,3\n", "t");
  ASSERT_TRUE(indices.ok());
  ASSERT_EQ(indices.value().size(), 1u);
  EXPECT_EQ(indices.value()[0].question, "Q, \"q\"");
  EXPECT_EQ(indices.value()[0].answer, 3);
  for (const char* bad : {"Q,1,2,3,4,E\n", "Q,1,2,3,4,4\n", "Q,1,2,3,4,\n", "Q,1,2,3,4,AB\n", "Q,1,2,3,A\n", "Q,1,2,3,4,5,A\n"})
    EXPECT_FALSE(parse_mmlu(bad, "t").ok()) << bad;
}

TEST_F(Mmlu, all_reads_every_subject_in_order) {
  write("test/zoo_test.csv", "Q,1,2,3,4,A\n");
  write("test/art_test.csv", "Q,1,2,3,4,B\nR,1,2,3,4,C\n");
  write("dev/zoo_dev.csv", "D,1,2,3,4,A\nE,1,2,3,4,A\n");
  write("test/notes.txt", "x");
  const auto zero = load_mmlu(directory_.string(), MmluSubset::all, 0);
  ASSERT_TRUE(zero.ok()) << zero.status().message();
  ASSERT_EQ(zero.value().size(), 2u);
  EXPECT_EQ(zero.value()[0].name, "art");
  EXPECT_EQ(zero.value()[0].test.size(), 2u);
  EXPECT_EQ(load_mmlu(directory_.string(), MmluSubset::all, 1).status().code(), StatusCode::not_found);  // no art_dev.csv
  write("dev/art_dev.csv", "D,1,2,3,4,A\n");
  const auto one = load_mmlu(directory_.string(), MmluSubset::all, 1);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one.value()[1].dev.size(), 1u);
}

TEST_F(Mmlu, subset_takes_twenty_of_ten) {
  for (const std::string_view name : mmlu_200_subjects()) {
    std::string text;
    for (int i = 0; i < 25; ++i) text += "Q" + std::to_string(i) + ",1,2,3,4,A\n";
    write("test/" + std::string(name) + "_test.csv", text);
  }
  const auto subset = load_mmlu(directory_.string(), MmluSubset::first_200, 0);
  ASSERT_TRUE(subset.ok()) << subset.status().message();
  std::size_t n = 0;
  for (const MmluSubject& s : subset.value()) n += s.test.size();
  EXPECT_EQ(n, 200u);
  EXPECT_EQ(subset.value()[4].test[19].question, "Q19");
  fs::remove(directory_ / "test/anatomy_test.csv");
  EXPECT_EQ(load_mmlu(directory_.string(), MmluSubset::first_200, 0).status().code(), StatusCode::not_found);
}

TEST_F(Mmlu, a_folder_without_questions_is_not_found) {
  EXPECT_EQ(load_mmlu(directory_.string(), MmluSubset::all, 0).status().code(), StatusCode::not_found);
  EXPECT_EQ(load_mmlu((directory_ / "none").string(), MmluSubset::all, 0).status().code(), StatusCode::not_found);
}

TEST(Tasks, choices_are_read) {
  const auto items = parse_tasks(
      "{\"context\":\"The sky is\",\"choices\":[\"blue\",\"gr\\u00fcn\"],\"answer\":1,\"id\":\"q\",\"subject\":\"s\",\"more\":[]}\n\n"
      "{\"context\":\"A: \",\"choices\":[\"x\",\" y\"],\"answer\":\" y\"}\r\n",
      "t");
  ASSERT_TRUE(items.ok()) << items.status().message();
  ASSERT_EQ(items.value().size(), 2u);
  EXPECT_EQ(items.value()[0].continuations[1], " gr\xc3\xbcn");
  EXPECT_EQ(items.value()[0].lengths[1], 4);
  EXPECT_EQ(items.value()[0].id, "q");
  EXPECT_EQ(items.value()[1].continuations, (std::vector<std::string>{"x", " y"}));
  EXPECT_EQ(items.value()[1].answer, 1);
  EXPECT_EQ(items.value()[1].id, "1");
}

TEST(Tasks, last_word_keeps_its_white_space) {
  const auto items = parse_tasks("{\"text\":\"He said  hello \"}\n{\"context\":\"a\",\"continuation\":\"b c\",\"id\":7}", "t");
  ASSERT_TRUE(items.ok()) << items.status().message();
  EXPECT_EQ(items.value()[0].context, "He said");
  EXPECT_EQ(items.value()[0].continuations[0], "  hello");
  EXPECT_EQ(items.value()[1].continuations[0], " b c");
  EXPECT_EQ(items.value()[1].id, "7");
}

TEST(Tasks, refusals_name_the_line) {
  for (const char* line :
       {"[]", "{}", "{\"text\":\"word\"}", "{\"context\":\"a\",\"choices\":[\"b\"],\"answer\":0}",
        "{\"context\":\"a\",\"choices\":[\"b\",\"c\"],\"answer\":2}", "{\"context\":\"a\",\"choices\":[\"b\",\"c\"]}",
        "{\"context\":\"a\",\"choices\":[\"b\",\"c\"],\"answer\":\"d\"}", "{\"choices\":[\"b\",\"c\"],\"answer\":0}",
        "{\"context\":\"a\",\"choices\":[\"b\",\"\"],\"answer\":0}", "{\"context\":\"a\",\"choices\":[\"b\",3],\"answer\":0}",
        "{\"text\":\"a b\"}", "{\"context\":\"a\",\"choices\":[\"b\",\"c\"],\"answer\":0,\"id\":[]}", "nonsense"}) {
    const auto items = parse_tasks(std::string("{\"context\":\"a\",\"choices\":[\"b\",\"c\"],\"answer\":0}\n") + line, "t");
    ASSERT_FALSE(items.ok()) << line;
    EXPECT_EQ(items.status().code(), StatusCode::corrupt) << line;
    EXPECT_NE(items.status().message().find("line 2"), std::string::npos) << items.status().message();
  }
  EXPECT_EQ(parse_tasks("\n \n", "t").status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace jang::eval
