// SPDX-License-Identifier: Apache-2.0
// The command line: what is accepted, what is refused, and with which hint.
#include "cli/arguments.h"

#include <gtest/gtest.h>

#include "../support/contains.h"
#include "cli/options.h"

namespace jang::cli {
namespace {

using test::contains;

using Words = std::vector<std::string>;

std::string error_of(const Words& words) {
  const Result<Arguments> parsed = parse_arguments(words);
  EXPECT_FALSE(parsed.ok());
  if (parsed.ok()) return "";
  EXPECT_EQ(parsed.status().code(), StatusCode::invalid_argument);
  return parsed.status().message();
}

TEST(Arguments, values_flags_and_letters_are_read) {
  const auto parsed = parse_arguments({"convert", "src", "-o", "out", "-p4K", "--method=rtn", "--force", "-q"});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  const Arguments& a = parsed.value();
  EXPECT_EQ(a.command(), "convert");
  EXPECT_EQ(a.value("SRC"), "src");
  EXPECT_EQ(a.value("--output"), "out");
  EXPECT_EQ(a.value("--profile"), "4K");
  EXPECT_EQ(a.value("--method"), "rtn");
  EXPECT_TRUE(a.has("--force"));
  EXPECT_TRUE(a.has("--quiet"));
  EXPECT_FALSE(a.has("--dry-run"));
}

TEST(Arguments, defaults_come_from_the_table) {
  const auto parsed = parse_arguments({"convert", "src"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value().value("--profile"), "JANG_4K");
  EXPECT_FALSE(parsed.value().has("--profile"));
  EXPECT_EQ(parsed.value().value("--method"), "fit");
  EXPECT_EQ(parsed.value().value("--output"), "");
}

TEST(Arguments, help_in_front_of_a_command_is_that_of_the_command) {
  const auto parsed = parse_arguments({"help", "convert"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed.value().has("--help"));
  EXPECT_EQ(parsed.value().command(), "convert");
  EXPECT_EQ(parse_arguments({"help"}).value().command(), "");
}

TEST(Arguments, list_option_repeats_without_swallowing_the_source) {
  const auto parsed = parse_arguments({"convert", "--tensor", ".*o_proj=6", "--tensor", "lm_head=8:32", "src"});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed.value().values("--tensor"), (Words{".*o_proj=6", "lm_head=8:32"}));
  EXPECT_EQ(parsed.value().value("SRC"), "src");
}

TEST(Arguments, every_option_of_the_table_parses) {
  for (const Command& command : commands()) {
    for (const Option* option : options_of(command.name)) {
      if (is_word(*option)) continue;
      Words words = {std::string(command.name), std::string(option->name)};
      const std::vector<std::string_view> choices = choices_of(*option);
      if (option->kind != Kind::flag) words.emplace_back(choices.empty() ? "7" : choices.front());
      for (const Option* positional : options_of(command.name)) {
        if (!is_word(*positional)) continue;
        const std::vector<std::string_view> shells = choices_of(*positional);
        words.emplace_back(shells.empty() ? "dir" : shells.front());
      }
      const auto parsed = parse_arguments(words);
      ASSERT_TRUE(parsed.ok()) << command.name << " " << option->name << ": " << parsed.status().message();
      EXPECT_TRUE(parsed.value().has(option->name)) << command.name << " " << option->name;
    }
  }
}

TEST(Arguments, unknown_command_gets_a_hint) {
  EXPECT_TRUE(contains(error_of({"conver", "x"}), "did you mean 'convert'?"));
  EXPECT_FALSE(contains(error_of({"frobnicate"}), "did you mean"));
}

TEST(Arguments, unknown_option_gets_a_hint) {
  EXPECT_TRUE(contains(error_of({"convert", "src", "--metod", "rtn"}), "did you mean '--method'?"));
  EXPECT_TRUE(contains(error_of({"convert", "src", "--metod=rtn"}), "did you mean '--method'?"));
}

TEST(Arguments, option_of_another_command_is_named) {
  EXPECT_TRUE(contains(error_of({"convert", "src", "--explain"}), "it belongs to: plan"));
}

TEST(Arguments, unknown_choice_gets_a_hint) {
  const std::string message = error_of({"convert", "src", "--method", "fti"});
  EXPECT_TRUE(contains(message, "fit, rtn"));
  EXPECT_TRUE(contains(message, "did you mean 'fit'?"));
  EXPECT_FALSE(error_of({"convert", "src", "--group-size", "48"}).empty());
}

TEST(Arguments, missing_and_surplus_words_are_refused) {
  EXPECT_TRUE(contains(error_of({"convert"}), "needs SRC"));
  EXPECT_TRUE(contains(error_of({"convert", "a", "b"}), "'b'"));
  EXPECT_TRUE(contains(error_of({"version", "a"}), "'a'"));
  EXPECT_FALSE(error_of({"convert", "a", "-o"}).empty());
  EXPECT_FALSE(error_of({"convert", "a", "--output="}).empty());
  EXPECT_TRUE(contains(error_of({"convert", "a", "-p", "2S", "-p", "4K"}), "2 times"));
  EXPECT_FALSE(error_of({"convert", "a", "--force=maybe"}).empty());
}

TEST(Arguments, empty_line_and_leading_option_are_refused) {
  EXPECT_FALSE(error_of({}).empty());
  EXPECT_FALSE(error_of({"--json"}).empty());
}

TEST(Arguments, help_and_version_need_nothing_else) {
  EXPECT_TRUE(parse_arguments({"--help"}).value().has("--help"));
  EXPECT_EQ(parse_arguments({"-h"}).value().command(), "");
  EXPECT_EQ(parse_arguments({"--version"}).value().command(), "version");
  EXPECT_TRUE(parse_arguments({"convert", "--help"}).value().has("--help"));
}

}  // namespace
}  // namespace jang::cli
