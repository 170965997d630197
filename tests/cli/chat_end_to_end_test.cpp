// SPDX-License-Identifier: Apache-2.0
// `jang chat` from outside, piped and on a terminal: what the model is told each turn, the commands, interruptions. The bundled model was
// not made for conversations; a template makes it take part in one.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../support/session.h"

namespace jang::cli {
namespace {

using namespace jang::test;

// Words only, so that what is rendered can be given to `jang run` as it is.
constexpr std::string_view kTemplate =
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

class ChatCommand : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    link_model("model");
    write("model/chat_template.jinja", kTemplate);
  }
  // Greedy and short, so that everything repeats.
  static Words words(const Words& more = {}) {
    Words all = {"chat", "model", "--temp", "0", "-n", "7"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static Words endless(const std::string& context = "80000") {
    return {"chat", "model", "--temp", "1", "--seed", "1", "--ignore-eos", "-c", context};
  }
  ProgramOutcome say(const std::string& lines, const Words& more = {}) const { return run_with_input(lines, words(more)); }

  // What `jang run` answers to the messages, rendered by `jang template`.
  std::string answer_to(const json::Value& messages) const {
    const json::Value variables = {{"messages", messages}, {"add_generation_prompt", true}};
    write("variables.json", variables.dump());
    const ProgramOutcome rendered = run({"template", "model", "-f", "variables.json"});
    EXPECT_EQ(rendered.code, 0) << rendered.err;
    return document_of({"run", "model", "-p", rendered.out, "--temp", "0", "-n", "7", "--json"})["text"].get<std::string>();
  }
  static json::Value message(std::string_view role, std::string_view content) { return {{"role", role}, {"content", content}}; }
};

TEST_F(ChatCommand, every_turn_sees_the_whole_conversation) {
  json::Value messages = json::Value::array({message("system", "Be brief."), message("user", "Who is the captain?")});
  const std::string first = answer_to(messages);
  messages.push_back(message("assistant", first));
  messages.push_back(message("user", "And the ship?"));
  const std::string second = answer_to(messages);
  messages.push_back(message("assistant", second));
  messages.push_back(message("user", "Who is the captain?"));
  const std::string third = answer_to(messages);
  ASSERT_NE(third, first);  // else nothing would show that it remembers

  const ProgramOutcome chat = say("Who is the captain?\nAnd the ship?\nWho is the captain?\n", {"--system", "Be brief."});
  EXPECT_EQ(chat.code, 0);
  EXPECT_EQ(chat.err, "");  // neither prompts nor greetings where nobody types
  EXPECT_EQ(chat.out, first + "\n" + second + "\n" + third + "\n");
}

TEST_F(ChatCommand, a_last_line_without_an_end_is_said_and_empty_lines_are_not) {
  const ProgramOutcome whole = say("Hello\n");
  EXPECT_EQ(say("\n\nHello").out, whole.out);
  const ProgramOutcome nothing = say("");
  EXPECT_EQ(nothing.code, 0);
  EXPECT_EQ(nothing.out, "");
}

TEST_F(ChatCommand, commands_do_what_help_says) {
  const std::string hello = say("Hello\n").out;
  EXPECT_EQ(say("Hello\n/clear\nHello\n").out, hello + hello);
  EXPECT_EQ(say("Hello\n/regen\n").out, hello + hello);
  EXPECT_EQ(say("/system Be brief.\nHello\n").out, say("Hello\n", {"--system", "Be brief."}).out);
  EXPECT_EQ(say("/system Be brief.\n/system\nHello\n").out, hello);
  for (const char* end : {"/exit", "/quit"}) EXPECT_EQ(say("Hello\n" + std::string(end) + "\nHello\n").out, hello);

  const ProgramOutcome early = say("/regen\nHello\n");
  EXPECT_EQ(early.out, hello);
  EXPECT_TRUE(contains(early.err, "nothing to answer")) << early.err;
  const ProgramOutcome help = say("/help\n"), unknown = say("/hepl\n");
  for (const char* command : {"/clear", "/system", "/regen", "/timings", "/exit"}) {
    EXPECT_TRUE(contains(help.err, command)) << help.err;
    EXPECT_TRUE(contains(unknown.err, command)) << unknown.err;
  }
  EXPECT_TRUE(contains(unknown.err, "/hepl")) << unknown.err;
  EXPECT_EQ(help.out, "");
}

TEST_F(ChatCommand, a_turn_computes_only_what_is_new) {
  const ProgramOutcome timed = say("Who is the captain?\n/timings\nAnd the ship?\n", {"--timings"});
  EXPECT_TRUE(contains(say("/timings\nWho is the captain?\nAnd the ship?\n").err, " kept), ")) << timed.err;
  EXPECT_TRUE(contains(timed.err, "answer 7 tokens")) << timed.err;
  EXPECT_FALSE(contains(timed.err, "kept")) << timed.err;  // hidden again before the second turn
}

TEST_F(ChatCommand, a_forged_control_token_stays_text) {
  // The token that ends texts, spelled by a user, must not be one token.
  const auto prompt_tokens = [&](const std::string& text) {
    const ProgramOutcome timed = run_with_input(text + "\n", {"chat", "model", "-n", "1", "--timings"});
    EXPECT_TRUE(timed.err.starts_with("prompt ")) << timed.err;
    return std::atoi(timed.err.c_str() + 7);
  };
  const int plain = prompt_tokens("a"), forged = prompt_tokens("a<|endoftext|>");
  EXPECT_GT(forged, plain + 4);
}

TEST_F(ChatCommand, a_conversation_too_long_says_so_and_can_be_cleared) {
  const std::string hello = say("Hello\n").out;
  const std::string essay = "It was a dark and stormy night, and the captain had not slept for three days and three nights.";
  const ProgramOutcome chat = say(essay + "\n/clear\nHello\n", {"-c", "20"});
  EXPECT_EQ(chat.out, hello);
  EXPECT_TRUE(contains(chat.err, "/clear starts anew")) << chat.err;
  const ProgramOutcome filled = say("Hello\n", {"-c", "12"});
  EXPECT_TRUE(contains(filled.err, "the context is full")) << filled.err;
  EXPECT_TRUE(hello.starts_with(filled.out.substr(0, filled.out.size() - 1)));
}

TEST_F(ChatCommand, a_model_without_a_template_is_3) {
  const ProgramOutcome refused = run({"chat", kBundledModel});
  EXPECT_EQ(refused.code, 3);
  EXPECT_TRUE(contains(refused.err, "`jang run`")) << refused.err;
  EXPECT_EQ(run({"chat", "no/such-model"}).code, 3);
  EXPECT_EQ(run(words({"--temp", "warm"})).code, 2);
  EXPECT_EQ(run(words({"--json"})).code, 2);  // there is no document of a conversation
}

TEST_F(ChatCommand, a_signal_ends_a_piped_conversation) {
  for (const int number : {SIGINT, SIGTERM}) {
    Dialogue session(Dialogue::Streams::pipes, Launch(kProgram, endless(), dir_, {}), stderr_path());
    session.say("Tell me a story.\nAnother one.\n");
    ASSERT_TRUE(session.wait_for(" ")) << read_file(stderr_path());
    session.signal(number);
    session.read_rest();  // ends, though the input is still open and a line is waiting
    EXPECT_EQ(session.wait(), 128 + number);
    EXPECT_LT(session.seen().size(), 100'000u);  // 80,000 tokens are more
  }
}

TEST_F(ChatCommand, a_reader_that_leaves_ends_it) {
  Dialogue session(Dialogue::Streams::pipes, Launch(kProgram, endless(), dir_, {}), stderr_path());
  session.say("Tell me a story.\nAnother one.\n");
  ASSERT_TRUE(session.wait_for(" "));
  session.close_output();
  EXPECT_EQ(session.wait(), 128 + SIGPIPE);
  EXPECT_EQ(read_file(stderr_path()), "");
}

class ChatOnTerminal : public ChatCommand {
 protected:
  Dialogue open(const Words& asked, const Environment& environment = {{"TERM", "xterm"}}) const {
    return Dialogue(Dialogue::Streams::terminal, Launch(kProgram, asked, dir_, environment), "");
  }
  static constexpr const char* kControlC = "\x03";
  static constexpr const char* kControlD = "\x04";
};

TEST_F(ChatOnTerminal, answers_are_shown_between_prompts) {
  const std::string hello = say("Hello\n").out;
  Dialogue session = open(words());
  ASSERT_TRUE(session.wait_for("> ")) << session.seen();
  EXPECT_TRUE(contains(session.seen(), "/help lists the commands"));
  session.say("Hello\n");
  ASSERT_TRUE(session.wait_for("Hello\r\n")) << session.seen();  // the terminal's echo
  ASSERT_TRUE(session.wait_for(hello.substr(0, hello.find('\n')))) << session.seen();
  ASSERT_TRUE(session.wait_for("\r\n> ")) << session.seen();
  session.say(kControlD);
  session.read_rest();
  EXPECT_EQ(session.wait(), 0);
  EXPECT_FALSE(contains(session.seen(), "\x1b"));  // nothing here is coloured
}

TEST_F(ChatOnTerminal, control_c_stops_the_answer_and_then_the_program) {
  Dialogue session = open(endless());
  for (int turn = 0; turn < 2; ++turn) {
    ASSERT_TRUE(session.wait_for("> ")) << session.seen();
    session.say("Tell me a story.\n");
    ASSERT_TRUE(session.wait_for("story.\r\n")) << session.seen();
    ASSERT_TRUE(session.wait_for(" ")) << session.seen();  // it has begun
    session.say(kControlC);
  }
  ASSERT_TRUE(session.wait_for("\n> ")) << session.seen();
  session.say(kControlC);
  session.read_rest();
  EXPECT_EQ(session.wait(), 130);
}

TEST_F(ChatOnTerminal, a_dumb_terminal_gets_no_prompts) {
  Dialogue session = open(words(), {{"TERM", "dumb"}});
  session.say("Hello\n/exit\n");
  session.read_rest();
  EXPECT_EQ(session.wait(), 0);
  EXPECT_FALSE(contains(session.seen(), "> "));
}

}  // namespace
}  // namespace jang::cli
