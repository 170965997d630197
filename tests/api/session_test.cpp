// SPDX-License-Identifier: Apache-2.0
// Models, tokenizers, templates and sessions as a program that embeds the library uses them, on the bundled model.
#include "jang/session.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "../support/bundled_model.h"
#include "jang/logits.h"

namespace jang {
namespace {

using test::kBundledModel;

Model open_model() {
  Result<Model> model = Model::open(kBundledModel, {.threads = 1, .arithmetic = Arithmetic::exact});
  EXPECT_TRUE(model.ok()) << model.status().message();
  return std::move(model).value();
}

std::string answer_of(Session& session, std::int64_t n) {
  std::string pieces;
  const Result<Answer> answer = session.generate(
      [&](std::string_view piece) {
        pieces += piece;
        return true;
      },
      {.max_tokens = n});
  EXPECT_TRUE(answer.ok()) << answer.status().message();
  if (!answer.ok()) return {};
  EXPECT_EQ(pieces, answer->text);
  EXPECT_EQ(answer->stopped_by, StoppedBy::length);
  return pieces;
}

TEST(PublicSession, continues_text_and_outlives_its_model_handle) {
  std::optional<Model> model = open_model();
  EXPECT_FALSE(model->is_quantized());
  EXPECT_GT(model->parameters(), 9'000'000u);
  Result<Session> session = Session::create(*model, {.sampling = {.temperature = 0}});
  ASSERT_TRUE(session.ok()) << session.status().message();
  const std::vector<std::int32_t> prompt = *model->prompt_tokens("It was the");
  model.reset();  // the session keeps what it needs
  ASSERT_TRUE(session->set_prompt(prompt).ok());
  const std::string first = answer_of(*session, 12);
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(session->timings().generated_tokens, 12);
  ASSERT_TRUE(session->set_prompt(prompt).ok());
  EXPECT_EQ(session->timings().reused_tokens, static_cast<std::int64_t>(prompt.size()) - 1);
  EXPECT_EQ(answer_of(*session, 12), first);
}

TEST(PublicSession, greedy_answer_is_the_greedy_continuation_of_the_logits) {
  const Model model = open_model();
  const std::vector<std::int32_t> prompt = *model.prompt_tokens("He said");
  const Result<LogitsReport> report = compute_logits(model, prompt, {.n_continuation = 8});
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->best.size(), prompt.size());
  EXPECT_EQ(report->best.back().size(), 5u);
  EXPECT_EQ(report->best.back().front().id, report->continuation.front());
  Session session = Session::create(model, {.sampling = {.temperature = 0}}).value();
  ASSERT_TRUE(session.set_prompt(prompt).ok());
  const Result<Answer> answer = session.generate([](std::string_view) { return true; }, {.max_tokens = 8, .ignore_end = true});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->ids, report->continuation);
}

TEST(PublicSession, says_why_it_stopped) {
  const Model model = open_model();
  Session session = Session::create(model, {.sampling = {.temperature = 0}, .context_length = 8}).value();
  EXPECT_EQ(session.generate([](std::string_view) { return true; }).status().code(), StatusCode::invalid_argument);
  ASSERT_TRUE(session.set_prompt(*model.prompt_tokens("It was")).ok());
  EXPECT_EQ(session.generate([](std::string_view) { return false; })->stopped_by, StoppedBy::interrupt);
  EXPECT_EQ(session.generate([](std::string_view) { return true; }, {.ignore_end = true})->stopped_by, StoppedBy::context);
  EXPECT_EQ(session.tokens().size(), 8u);
  CancelFlag cancel{true};
  Session other = Session::create(model).value();
  EXPECT_EQ(other.set_prompt(*model.prompt_tokens("It was"), &cancel).code(), StatusCode::cancelled);
  EXPECT_EQ(other.set_prompt(std::vector<std::int32_t>(100000, 1)).code(), StatusCode::invalid_argument);
}

TEST(PublicSession, options_are_checked) {
  const Model model = open_model();
  EXPECT_EQ(Session::create(model, {.sampling = {.top_p = 2}}).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(Session::create(model, {.prompt_chunk = 0}).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(Model::open("/no/such/directory").status().code(), StatusCode::not_found);
}

TEST(PublicTokenizer, decodes_what_it_encodes_in_pieces_too) {
  const Tokenizer tokenizer = open_model().tokenizer().value();  // the model's handle is gone; the tokenizer lives
  const std::string text = "naïve é 日本 text";
  const std::vector<std::int32_t> ids = tokenizer.encode(text).value();
  EXPECT_EQ(tokenizer.decode(ids), text);
  Detokenizer detokenizer(tokenizer);
  std::string streamed;
  for (const std::int32_t id : ids) streamed += detokenizer.push(id);
  EXPECT_EQ(streamed + detokenizer.flush(), text);
  EXPECT_EQ(tokenizer.encode("\xff").status().code(), StatusCode::corrupt);
}

TEST(PublicChatTemplate, renders_messages_and_keeps_input_apart) {
  const std::string source =
      "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[go]{% endif %}";
  const ChatTemplate chat_template = ChatTemplate::parse(source, "sample").value();
  const std::vector<Message> messages = {{"system", "Be kind."}, {"user", "Hello!"}};
  EXPECT_EQ(chat_template.render(messages).value(), "[system]Be kind.[user]Hello![go]");
  const auto segments = chat_template.render_variables(R"({"messages": [{"role": "user", "content": "x"}]})", "v").value();
  std::string foreign;
  for (const TemplateSegment& segment : segments)
    if (segment.from_input) foreign += segment.text;
  EXPECT_EQ(foreign, "userx");
  EXPECT_EQ(chat_template.render_variables("{", "v").status().code(), StatusCode::corrupt);
  EXPECT_EQ(open_model().chat_template().status().code(), StatusCode::not_found);
}

}  // namespace
}  // namespace jang
