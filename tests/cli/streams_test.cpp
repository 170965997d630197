// SPDX-License-Identifier: Apache-2.0
// The program between pipes, as a shell starts it: texts that come from pipes, conversations that come from pipes, and the exit code when
// something in them fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/wait.h>

#include "../support/program.h"
#include "json/json.h"

namespace jang::cli {
namespace {

using namespace jang::test;

const std::string kNarrow = source_dir() + "/tests/data/bugs/13-nan-logits-unnoticed";

class Streams : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "jang_streams_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    // The bundled model with a template, so that it can be talked to, and a narrow context.
    fs::copy(kBundledModel, dir_ / "talker", fs::copy_options::recursive);
    std::ofstream(dir_ / "talker" / "chat_template.jinja")
        << "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
  }
  void TearDown() override { fs::remove_all(dir_); }

  // A command of bash, in which $JANG is the program and $T the directory.
  ProgramOutcome run(const std::string& command) const {
    std::ofstream(dir_ / "script") << "JANG='" << kProgram << "'; T='" << dir_.string() << "'\n" << command << "\n";
    const std::string line = "bash --norc " + (dir_ / "script").string() + " 2>" + (dir_ / "stderr").string();
    // A shell hands on what it was started with: under nohup the program would be deaf to the interrupts of these tests.
    const auto inherited = std::signal(SIGINT, SIG_DFL);
    FILE* pipe = popen(line.c_str(), "r");
    std::signal(SIGINT, inherited);
    if (pipe == nullptr) return {};
    ProgramOutcome o;
    std::array<char, 4096> buffer{};
    for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) o.out.append(buffer.data(), n);
    const int status = pclose(pipe);
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    std::ifstream file(dir_ / "stderr");
    std::stringstream text;
    text << file.rdbuf();
    o.err = text.str();
    return o;
  }
  json::Value document(const ProgramOutcome& o) const {
    auto v = json::parse(o.out, "stdout");
    EXPECT_TRUE(v.ok()) << o.code << o.out.substr(0, 200) << o.err;
    return v.ok() ? v.value() : json::Value::object();
  }
  fs::path dir_;
};

TEST_F(Streams, a_text_may_come_from_a_file_a_pipe_or_standard_input) {
  const std::string score = "$JANG eval ppl " + kBundledModel + " --ctx 64 --tokens 200 --json -q ";
  const json::Value file = document(run(score + "-f " + kBundledText));
  EXPECT_GT(file["perplexity"], 1);
  for (const std::string& words :
       {score + "-f <(cat " + kBundledText + ")", "cat " + kBundledText + " | " + score + "-f -", score + "-f /dev/stdin <" + kBundledText,
        score + "--file=- <" + kBundledText, "mkfifo $T/fifo; cat " + kBundledText + " >$T/fifo & " + score + "-f $T/fifo"}) {
    const ProgramOutcome o = run(words);
    EXPECT_EQ(o.code, 0) << words << o.err;
    EXPECT_EQ(document(o)["nll"], file["nll"]) << words;
  }
}

TEST_F(Streams, every_option_that_names_a_text_takes_a_pipe) {
  const std::string task = R"({"context":"He went to the","choices":["house","of of"],"answer":0})";
  for (const std::string& words :
       {"$JANG run " + kBundledModel + " -n 2 --temp 0 -f <(echo Once)", "echo Once | $JANG run " + kBundledModel + " -n 2 --temp 0 -f -",
        "$JANG eval choice " + kBundledModel + " -f <(echo '" + task + "')", "$JANG tokenize " + kBundledModel + " -f <(echo Once)",
        "echo Once | $JANG tokenize " + kBundledModel, "echo Once | $JANG tokenize " + kBundledModel + " -f -",
        "$JANG logits " + kBundledModel + " --ids-file <(echo 1,2,3)",
        std::string("$JANG template $T/talker -f <(echo '{\"messages\": [], \"add_generation_prompt\": true}')"),
        "$JANG convert " + kBundledModel + " -o $T/out --plan <($JANG plan " + kBundledModel + " --json)",
        "$JANG calibrate " + kBundledModel + " --text <(cat " + kBundledText + ") --samples 1 --seq-len 16 --no-sensitivity -o $T/stats",
        "$JANG eval kld " + kBundledModel + " --ref " + kBundledModel + " -f <(cat " + kBundledText + ") --ctx 32 --tokens 64"}) {
    const ProgramOutcome o = run(words);
    EXPECT_EQ(o.code, 0) << words << "\n" << o.err;
    EXPECT_NE(o.out, "") << words;
  }
}

TEST_F(Streams, inputs_that_are_no_text_are_refused) {
  for (const std::string& file : {std::string("$T/none"), std::string("$T"), std::string("''")}) {
    const ProgramOutcome o = run("$JANG run " + kBundledModel + " -n 2 -f " + file);
    EXPECT_NE(o.code, 0) << file;
    EXPECT_LT(o.code, 8) << file;
  }
  EXPECT_EQ(run("$JANG eval ppl " + kBundledModel + " -f <(printf 'bad \\377')").code, 3);
  EXPECT_EQ(run("$JANG eval ppl " + kBundledModel + " -f <(printf '')").code, 2) << "fewer tokens than one window";
  EXPECT_EQ(run("$JANG run " + kBundledModel + " -n 2 -f - <&-").code, 1) << "standard input is closed";
}

TEST_F(Streams, a_piped_conversation_ends_with_its_input) {
  const ProgramOutcome two = run("printf 'Good morning\\n\\nAnd you?' | $JANG chat $T/talker -n 4 --temp 0");
  EXPECT_EQ(two.code, 0) << two.err;
  EXPECT_GE(std::count(two.out.begin(), two.out.end(), '\n'), 2) << two.out;
  EXPECT_EQ(two.err, "");
  const ProgramOutcome dos = run("printf 'Good morning\\r\\n' | $JANG chat $T/talker -n 4 --temp 0");
  const ProgramOutcome plain = run("printf 'Good morning\\n' | $JANG chat $T/talker -n 4 --temp 0");
  EXPECT_EQ(dos.out, plain.out);
  for (const char* input : {"</dev/null", "< <(printf '\\n\\n')", "< <(printf '/exit\\nnever said\\n')"}) {
    const ProgramOutcome none = run(std::string("$JANG chat $T/talker -n 4 ") + input);
    EXPECT_EQ(none.code, 0) << input << none.err;
    EXPECT_EQ(none.out, "") << input;
  }
}

TEST_F(Streams, a_failed_turn_of_a_piped_conversation_is_no_success) {
  // The second message is longer than the context; the third is answered, from a conversation without it.
  const std::string words = "(echo Hi; printf 'word %.0s' {1..100}; echo; echo Hi) | $JANG chat $T/talker -n 3 --temp 0 -c 60";
  const ProgramOutcome failed = run(words);
  EXPECT_EQ(failed.code, 2) << failed.err;
  EXPECT_TRUE(contains(failed.err, "no answer")) << failed.err;
  EXPECT_EQ(std::count(failed.out.begin(), failed.out.end(), '\n'), 2) << failed.out;
  EXPECT_EQ(run("$JANG chat $T/talker <&-").code, 1) << "standard input is closed";
  EXPECT_EQ(run("$JANG chat $T/talker <$T").code, 1) << "standard input is a directory";
  EXPECT_EQ(run("echo Hi | $JANG chat " + kBundledModel).code, 3) << "no template";
}

TEST_F(Streams, output_that_cannot_be_written_ends_a_conversation) {
  const ProgramOutcome closed =
      run("(while echo Hi; do :; done) 2>/dev/null | ($JANG chat $T/talker -n 4; echo $? >$T/code) | true; cat $T/code");
  EXPECT_EQ(closed.out, "141\n") << "SIGPIPE, as every filter: " << closed.err;
  if (fs::exists("/dev/full")) {
    EXPECT_EQ(run("echo Hi | $JANG chat $T/talker -n 4 >/dev/full").code, 7);
  }
  const ProgramOutcome once = run("($JANG run " + kBundledModel + " -p Once -n 50 --ignore-eos; echo $? >$T/code) | true; cat $T/code");
  EXPECT_EQ(once.out, "141\n") << once.err;
}

TEST_F(Streams, numbers_that_break_down_are_told) {
  const std::string model = kNarrow + "/model", text = kNarrow + "/text.txt";
  const std::string score = " eval ppl " + model + " -f " + text + " --ctx 16 --json -q";
  const ProgramOutcome run_default = run("$JANG run " + model + " -p a -n 4 --temp 0"),
                       wide = run("$JANG run " + model + " -p a -n 4 --temp 0 --kv bf16");
  EXPECT_EQ(run_default.code, 0) << run_default.err;
  EXPECT_TRUE(contains(run_default.err, "exceed float16")) << run_default.err;
  EXPECT_EQ(run_default.out, wide.out);
  EXPECT_EQ(wide.err, "");
  EXPECT_EQ(run_default.out, run("$JANG run " + model + " -p a -n 4 --temp 0 --exact").out);
  const ProgramOutcome asked = run("$JANG run " + model + " -p a -n 4 --temp 0 --kv f16");
  EXPECT_EQ(asked.code, 2) << asked.err;
  EXPECT_EQ(asked.out, "");
  EXPECT_TRUE(contains(asked.err, "--kv bf16")) << asked.err;
  const ProgramOutcome fast = run("$JANG" + score + " --fast"), exact = run("$JANG" + score);
  ASSERT_EQ(fast.code, 0) << fast.err;
  ASSERT_EQ(exact.code, 0) << exact.err;
  EXPECT_TRUE(document(fast)["perplexity"].is_number());
  EXPECT_TRUE(document(exact)["perplexity"].is_number());
  for (const std::string& words :
       {"$JANG bench " + model + " -p 4 -n 2 -r 1", "$JANG logits " + model + " --ids 1,2,3 -n 2 -o $T/l.safetensors"}) {
    const ProgramOutcome o = run(words);
    EXPECT_EQ(o.code, 0) << words << o.err;
    EXPECT_TRUE(contains(o.err, "exceed float16")) << words << o.err;
  }
  EXPECT_EQ(run("$JANG logits " + model + " --ids 1,2,3 --kv f16 -o $T/m.safetensors").code, 2);
  EXPECT_FALSE(fs::exists(dir_ / "m.safetensors")) << "a part of the logits is no result";
}

}  // namespace
}  // namespace jang::cli
