// SPDX-License-Identifier: Apache-2.0
// Help and reference come from the table and are complete.
#include "cli/help.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "../support/contains.h"
#include "../support/paths.h"
#include "cli/exit_code.h"
#include "cli/options.h"

namespace jang::cli {
namespace {

using test::contains;

TEST(Help, program_help_lists_commands_and_exit_codes) {
  const std::string text = help_text("");
  for (const Command& command : commands()) EXPECT_TRUE(contains(text, command.summary)) << command.name;
  for (const ExitCodeRow& row : kExitCodes) EXPECT_TRUE(contains(text, "  " + std::to_string(row.code) + " ")) << row.meaning;
}

TEST(Help, command_help_lists_every_visible_option) {
  for (const Command& command : commands()) {
    const std::string text = help_text(command.name);
    for (const Option* option : options_of(command.name))
      EXPECT_EQ(contains(text, option->name), !option->hidden) << command.name << " " << option->name;
  }
}

TEST(Help, defaults_and_choices_are_shown) {
  const std::string text = help_text("convert");
  EXPECT_TRUE(contains(text, "(default JANG_4K)"));
  EXPECT_TRUE(contains(text, "[fit rtn gptq awq awq+rtn awq+gptq]"));
}

TEST(Help, lines_fit_a_terminal) {
  for (const Command& command : commands()) {
    std::istringstream lines(help_text(command.name));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 140u) << line;
  }
}

TEST(Help, reference_in_docs_is_what_the_table_gives) {
  std::ifstream file(test::source_dir() + "/docs/cli.md");
  ASSERT_TRUE(file);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), cli_markdown()) << "write it again: jang completion markdown > docs/cli.md";
}

}  // namespace
}  // namespace jang::cli
