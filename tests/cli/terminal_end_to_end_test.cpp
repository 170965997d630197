// SPDX-License-Identifier: Apache-2.0
// The program on a terminal, and in a shell: bars and colours where they belong, completion as bash does it, readers that leave.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../support/session.h"

namespace jang::cli {
namespace {

using namespace jang::test;

class OnTerminal : public ProgramTest {
 protected:
  // What a terminal shows of it, and its exit code.
  ProgramOutcome shown(const Words& words, const Environment& environment) const {
    Dialogue session(Dialogue::Streams::terminal, Launch(kProgram, words, dir_, environment), "");
    session.read_rest();
    const int code = session.wait();
    return {code, session.seen(), ""};
  }
};

TEST_F(OnTerminal, a_conversion_draws_a_bar_and_takes_it_away) {
  const ProgramOutcome bar = shown({"convert", kBundledModel, "-p", "4K", "-o", "out"}, {{"TERM", "xterm"}});
  EXPECT_EQ(bar.code, 0) << bar.out;
  EXPECT_TRUE(contains(bar.out, "\r\x1b[K[1/4] detect")) << bar.out;
  EXPECT_LT(bar.out.rfind("\r\x1b[K"), bar.out.rfind("jang validate"));
  // Who wants no colours still wants to see progress.
  const ProgramOutcome plain =
      shown({"convert", kBundledModel, "-p", "4K", "-o", "out", "--force"}, {{"TERM", "xterm"}, {"NO_COLOR", "1"}});
  EXPECT_TRUE(contains(plain.out, "\r\x1b[K[1/4] detect")) << plain.out;
  EXPECT_FALSE(contains(plain.out, "\x1b[1m")) << plain.out;
}

TEST_F(OnTerminal, lines_fit_its_width) {
  // The terminal has 100 columns.
  const ProgramOutcome bar = shown({"convert", kBundledModel, "-p", "4K", "-o", "out"}, {{"TERM", "xterm"}});
  std::size_t n_bars = 0;
  for (std::size_t at = 0; (at = bar.out.find("\r\x1b[K", at)) != std::string::npos; ++n_bars) {
    at += 4;
    EXPECT_LT(bar.out.find_first_of("\r\n", at) - at, 100u) << bar.out.substr(at, 200);
  }
  EXPECT_GT(n_bars, 3u);
}

TEST_F(OnTerminal, a_dumb_one_gets_plain_lines) {
  const ProgramOutcome plain = shown({"convert", kBundledModel, "-p", "4K", "-o", "out"}, {{"TERM", "dumb"}});
  EXPECT_EQ(plain.code, 0) << plain.out;
  EXPECT_TRUE(contains(plain.out, "[1/4] detect")) << plain.out;
  EXPECT_FALSE(contains(plain.out, "\x1b")) << plain.out;
}

TEST_F(OnTerminal, tables_are_coloured_unless_no_color) {
  const Words list = {"profiles"};
  EXPECT_TRUE(contains(shown(list, {{"TERM", "xterm"}}).out, "\x1b[1m"));
  EXPECT_FALSE(contains(shown(list, {{"TERM", "xterm"}, {"NO_COLOR", "1"}}).out, "\x1b"));
  EXPECT_FALSE(contains(shown({"profiles", "--color", "never"}, {{"TERM", "xterm"}}).out, "\x1b"));
  EXPECT_TRUE(contains(shown({"profiles", "--color", "always"}, {{"TERM", "dumb"}}).out, "\x1b[1m"));
}

TEST_F(OnTerminal, control_c_stops_a_conversion_and_leaves_nothing) {
  const Words slow = {"convert", kBundledModel, "-o", "out", "--backend", "ref", "--threads", "1"};
  Dialogue session(Dialogue::Streams::terminal, Launch(kProgram, slow, dir_, {{"TERM", "xterm"}}), "");
  ASSERT_TRUE(session.wait_for("%")) << session.seen();
  session.say("\x03");
  session.read_rest();
  EXPECT_EQ(session.wait(), 130) << session.seen();
  EXPECT_TRUE(contains(session.seen(), "run the same command again")) << session.seen();
  EXPECT_TRUE(left().empty());
}

class InBash : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    for (const char* path : {"/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"})
      if (bash_.empty() && access(path, X_OK) == 0) bash_ = path;
    if (bash_.empty()) GTEST_SKIP() << "no bash on this machine";
  }
  // A shell that finds the program by its name.
  Environment environment() const { return {{"TERM", "dumb"}, {"PATH", binary_dir() + ":/usr/bin:/bin"}, {"PS1", "next: "}}; }
  // What a script prints.
  std::string printed(const std::string& script) const {
    Dialogue session(Dialogue::Streams::pipes, Launch(bash_, {"--norc", "-c", script}, dir_, environment()), stderr_path());
    session.read_rest();
    EXPECT_EQ(session.wait(), 0) << read_file(stderr_path());
    return session.seen();
  }
  std::string bash_;
};

TEST_F(InBash, tab_completes_what_is_typed) {
  Dialogue session(Dialogue::Streams::terminal, Launch(bash_, {"--norc", "--noprofile", "-i"}, dir_, environment()), "");
  session.say("set +o history; bind 'set bell-style none'; source <(jang completion bash); echo sour''ced\n");
  ASSERT_TRUE(session.wait_for("sourced")) << session.seen();
  ASSERT_TRUE(session.wait_for("next: ")) << session.seen();
  write("a-checkpoint.txt", "");
  fs::create_directory(dir_ / "a-model-directory");
  const std::vector<std::pair<std::string, std::string>> completions = {{"jang val", "idate "},
                                                                        {"jang run model --ignore", "-eos "},
                                                                        {"jang convert model -p uniform_8", " "},
                                                                        {"jang convert model --method r", "tn "},
                                                                        {"jang inspect a-", "model-directory/"}};  // directories only
  for (const auto& [typed, rest] : completions) {
    session.say(typed);
    ASSERT_TRUE(session.wait_for(typed)) << session.seen();
    session.say("\t");
    ASSERT_TRUE(session.wait_for(rest)) << typed << ": " << session.seen();
    session.say("\x01#\n");  // to the start of the line, and made a comment
    ASSERT_TRUE(session.wait_for("next: ")) << session.seen();
  }
  session.say("exit\n");
  session.read_rest();
  EXPECT_EQ(session.wait(), 0);
}

TEST_F(InBash, scripts_have_no_errors_of_syntax) {
  EXPECT_EQ(printed("jang completion bash | bash -n && echo fine"), "fine\n");
  for (const std::string shell : {"zsh", "fish"}) {
    if (printed("command -v " + shell + " || true").empty()) continue;  // not on this machine
    EXPECT_EQ(printed("jang completion " + shell + " > script && " + shell + " -n script && echo fine"), "fine\n");
  }
}

TEST_F(InBash, readers_that_leave_are_no_news) {
  for (const char* command : {"completion markdown", "completion zsh", "inspect --tensors --json", "plan --explain"}) {
    std::string words = command;
    if (words.starts_with("inspect") || words.starts_with("plan")) words += " '" + kBundledModel + "' 2>errors";
    EXPECT_EQ(printed("jang " + words + " | head -c 10 | wc -c | tr -d ' '"), "10\n") << command;
    EXPECT_FALSE(contains(read_file(dir_ / "errors"), "error:")) << read_file(dir_ / "errors");
    EXPECT_EQ(read_file(stderr_path()), "") << command;
  }
}

}  // namespace
}  // namespace jang::cli
