// SPDX-License-Identifier: Apache-2.0
// `jang template`, `jang tokenize` and `jang inspect` from outside: each way in, text and documents, what is refused.
#include <gtest/gtest.h>

#include <string>

#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;

class TemplateCommand : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write("chat.jinja", "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}");
    write("variables.json", R"({"messages": [{"role": "user", "content": "Ahoy"}, {"role": "assistant", "content": "Aye"}]})");
  }
};

TEST_F(TemplateCommand, messages_become_text) {
  const ProgramOutcome text = run({"template", "chat.jinja", "-f", "variables.json"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(text.out, "[user] Ahoy\n[assistant] Aye\n");
  EXPECT_EQ(text.err, "");
  EXPECT_EQ(run({"template", "./chat.jinja"}).out, "[user] Hello!\n");  // a sample, where nothing is given
  link_model("model");
  write("model/chat_template.jinja", read_file(dir_ / "chat.jinja"));
  EXPECT_EQ(run({"template", "model", "-f", "variables.json"}).out, text.out);
}

TEST_F(TemplateCommand, document_tells_what_came_from_the_messages) {
  const json::Value d = document_of({"template", "chat.jinja", "-f", "variables.json", "--json"});
  EXPECT_EQ(d["text"], "[user] Ahoy\n[assistant] Aye\n");
  std::string whole, given;
  for (const json::Value& segment : d["segments"]) {
    whole += segment["text"].get<std::string>();
    if (segment["from_input"].get<bool>()) given += segment["text"].get<std::string>() + "|";
  }
  EXPECT_EQ(whole, d["text"].get<std::string>());
  EXPECT_EQ(given, "user|Ahoy|assistant|Aye|");
}

TEST_F(TemplateCommand, now_is_what_it_is_told) {
  write("date.jinja", "{{ strftime_now('%Y-%m-%d %H:%M') }}");
  EXPECT_EQ(run({"template", "date.jinja", "--now", "0"}).out, "1970-01-01 00:00");
  EXPECT_EQ(run({"template", "date.jinja"}).out.size(), std::string("1970-01-01 00:00").size());
  EXPECT_EQ(run({"template", "date.jinja", "--now", "today"}).code, 2);
}

TEST_F(TemplateCommand, what_cannot_be_rendered_says_why) {
  write("broken.jinja", "{% for m in messages %}");
  write("angry.jinja", "{{ raise_exception('no system message, please') }}");
  write("list.json", "[1]");
  const auto refused = [&](const Words& words, std::string_view why) {
    const ProgramOutcome outcome = run(words);
    EXPECT_NE(outcome.code, 0);
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(contains(outcome.err, why)) << outcome.err;
  };
  refused({"template", "broken.jinja"}, "broken.jinja");
  refused({"template", "angry.jinja"}, "no system message, please");
  refused({"template", "chat.jinja", "-f", "list.json"}, "cannot render the chat template of chat.jinja");
  refused({"template", "chat.jinja", "-f", "nowhere.json"}, "nowhere.json");
  refused({"template", kBundledModel}, "chat template");
}

using TokenizeCommand = ProgramTest;

TEST_F(TokenizeCommand, text_comes_from_a_pipe_and_back) {
  const ProgramOutcome ids = run_with_input("Hello world", {"tokenize", kBundledModel});
  EXPECT_EQ(ids.code, 0) << ids.err;
  EXPECT_EQ(ids.out, "42 510 81 1015\n");
  EXPECT_EQ(run_with_input(ids.out, {"tokenize", kBundledModel, "--decode"}).out, "Hello world\n");
  EXPECT_EQ(run({"tokenize", "no/such-model", "-p", "x"}).code, 3);
}

using InspectCommand = ProgramTest;

TEST_F(InspectCommand, text_tells_what_the_document_tells) {
  const json::Value d = document_of({"inspect", kBundledModel, "--json"});
  const ProgramOutcome brief = run({"inspect", kBundledModel}), full = run({"inspect", kBundledModel, "--tensors"});
  EXPECT_EQ(brief.code, 0) << brief.err;
  EXPECT_TRUE(contains(brief.out, "model_type qwen3_moe")) << brief.out;
  EXPECT_TRUE(full.out.starts_with(brief.out)) << full.out;
  ASSERT_GT(d["tensors"].size(), 200u);
  for (const json::Value& row : d["tensors"]) {
    EXPECT_TRUE(contains(full.out, row["name"].get<std::string>())) << row["name"];
    EXPECT_FALSE(contains(brief.out, row["name"].get<std::string>())) << row["name"];
  }
}

}  // namespace
}  // namespace jang::cli
