// SPDX-License-Identifier: Apache-2.0
// The option table is consistent with itself.
#include "cli/options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>

#include "jang/plan.h"

namespace jang::cli {
namespace {

TEST(Options, commands_of_the_contract_are_listed) {
  const std::vector<std::string_view> expected = {"convert", "plan",     "estimate", "calibrate", "distill",  "export",     "run",
                                                  "chat",    "bench",    "inspect",  "repair",    "validate", "logits",     "eval",
                                                  "compare", "tokenize", "template", "profiles",  "doctor",   "completion", "version"};
  EXPECT_EQ(command_names(), expected);
  for (const Command& command : commands()) EXPECT_FALSE(command.summary.empty()) << command.name;
}

TEST(Options, names_and_letters_are_unique_per_command) {
  for (const Command& command : commands()) {
    std::set<std::string_view> names;
    std::set<char> letters;
    for (const Option* option : options_of(command.name)) {
      EXPECT_TRUE(names.insert(option->name).second) << command.name << " " << option->name;
      if (option->letter) {
        EXPECT_TRUE(letters.insert(option->letter).second) << command.name << " -" << option->letter;
      }
    }
  }
}

TEST(Options, rows_name_known_commands) {
  for (const Option& option : options()) {
    std::istringstream words{std::string(option.commands)};
    for (std::string word; words >> word;) EXPECT_TRUE(word == "*" || find_command(word)) << option.name << ": " << word;
  }
}

TEST(Options, rows_are_well_formed) {
  for (const Option& option : options()) {
    EXPECT_FALSE(option.help.empty()) << option.name;
    EXPECT_EQ(!is_word(option), option.name.starts_with("--")) << option.name;
    const bool takes_value = option.kind == Kind::value || option.kind == Kind::list;
    EXPECT_EQ(takes_value, !option.value_name.empty()) << option.name;
    const std::vector<std::string_view> choices = choices_of(option);
    if (!choices.empty() && !option.default_value.empty()) {
      EXPECT_NE(std::find(choices.begin(), choices.end(), option.default_value), choices.end()) << option.name;
    }
  }
}

// The option table cannot ask the library: what it offers is what there is.
TEST(Options, targets_are_those_of_the_library) {
  int n = 0;
  for (const Option& option : options()) {
    if (option.name != "--target") continue;
    EXPECT_EQ(choices_of(option), target_names()) << option.commands;
    EXPECT_EQ(option.default_value, target_names().front());
    ++n;
  }
  EXPECT_EQ(n, 1);
}

TEST(Options, reporting_commands_have_json) {
  for (const std::string_view name : {"convert", "plan", "inspect", "validate", "tokenize", "template", "logits", "run", "bench", "eval",
                                      "compare", "calibrate", "distill", "export", "profiles", "doctor", "version"}) {
    const auto rows = options_of(name);
    EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [](const Option* o) { return o->name == "--json"; })) << name;
  }
}

TEST(Options, unknown_command_has_only_shared_options) {
  EXPECT_EQ(find_command("serve"), nullptr);
  for (const Option* option : options_of("serve")) EXPECT_EQ(option->commands, "*");
}

}  // namespace
}  // namespace jang::cli
