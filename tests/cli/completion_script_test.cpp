// SPDX-License-Identifier: Apache-2.0
// Completion scripts: complete, well quoted, and the bash one is run.
#include "cli/completion_script.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include "../support/contains.h"
#include "cli/options.h"

namespace jang::cli {
namespace {

using test::contains;

const std::vector<std::string_view> kProfiles = {"JANG_2S", "JANG_4K", "uniform_4"};

// What the bash script offers for the words typed, the last one being completed; sorted by bash, separated by spaces.
std::string offered(const std::string& words, int last) {
  const std::filesystem::path script = std::filesystem::temp_directory_path() / ("jang_completion_" + std::to_string(getpid()) + ".bash");
  std::ofstream(script) << bash_completion(kProfiles) << "COMP_WORDS=(" << words << "); COMP_CWORD=" << last
                        << "; _jang 2>/dev/null; echo \"${COMPREPLY[*]}\"\n";
  std::string out;
  FILE* pipe = popen(("bash --norc " + script.string()).c_str(), "r");
  if (pipe == nullptr) return "no bash";
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe) != nullptr) out += buffer.data();
  pclose(pipe);
  std::filesystem::remove(script);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class BashCompletion : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("bash -c true >/dev/null 2>&1") != 0) GTEST_SKIP() << "no bash on this machine";
  }
};

TEST_F(BashCompletion, offers_commands) {
  EXPECT_EQ(offered("jang con", 1), "convert");
  EXPECT_EQ(offered("jang p", 1), "plan profiles");
}

TEST_F(BashCompletion, offers_options_of_the_command) {
  EXPECT_EQ(offered("jang convert --fo", 2), "--force");
  EXPECT_EQ(offered("jang plan --ex", 2), "--explain");
  EXPECT_EQ(offered("jang convert --ex", 2), "");
}

TEST_F(BashCompletion, offers_choices_and_profiles) {
  EXPECT_EQ(offered("jang convert --method ''", 3), "fit rtn gptq awq awq+rtn awq+gptq");
  EXPECT_EQ(offered("jang convert -p JANG", 3), "JANG_2S JANG_4K");
  EXPECT_EQ(offered("jang completion z", 2), "zsh");
  EXPECT_EQ(offered("jang eval k", 2), "kld");
}

TEST(CompletionScript, every_shell_knows_every_option) {
  const std::string bash = bash_completion(kProfiles), zsh = zsh_completion(kProfiles), fish = fish_completion(kProfiles);
  for (const Command& command : commands()) {
    EXPECT_TRUE(contains(zsh, command.name));
    for (const Option* option : options_of(command.name)) {
      if (option->hidden || is_word(*option)) continue;
      EXPECT_TRUE(contains(bash, option->name)) << option->name;
      EXPECT_TRUE(contains(zsh, "'" + std::string(option->name) + "[") || contains(zsh, "'*" + std::string(option->name) + "["))
          << option->name;
      EXPECT_TRUE(
          contains(fish, "__fish_seen_subcommand_from " + std::string(command.name) + "' -l " + std::string(option->name.substr(2))))
          << command.name << option->name;
    }
  }
  for (const std::string_view profile : kProfiles)
    for (const std::string* script : {&bash, &zsh, &fish}) EXPECT_TRUE(contains(*script, profile)) << profile;
}

// First line on which a single quote stays open, or "". fish takes a backslash inside quotes, zsh does not.
std::string unclosed_quote(const std::string& script, bool backslash_inside) {
  bool inside = false;
  for (std::size_t i = 0; i < script.size(); ++i) {
    if (script[i] == '\\' && (!inside || backslash_inside)) {
      ++i;
    } else if (script[i] == '\'') {
      inside = !inside;
    } else if (script[i] == '\n' && inside) {
      return script.substr(i > 100 ? i - 100 : 0, 100);
    }
  }
  return inside ? "end" : "";
}

TEST(CompletionScript, quotes_are_balanced) {
  EXPECT_EQ(unclosed_quote(zsh_completion(kProfiles), false), "");
  EXPECT_EQ(unclosed_quote(fish_completion(kProfiles), true), "");
  EXPECT_EQ(unclosed_quote("a 'b'\\''c\n", false).empty(), false);
}

}  // namespace
}  // namespace jang::cli
