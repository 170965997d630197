// SPDX-License-Identifier: Apache-2.0
// The loop of an answer: its text is what its ids add to the prompt's, and it says why it stopped.
#include "engine/answer.h"

#include <gtest/gtest.h>

#include <string>

#include "../support/bundled_model.h"
#include "../support/paths.h"
#include "../support/test_device.h"
#include "base/utf8.h"

namespace jang::engine {
namespace {

using test::kBundledModel;

const std::string kSpaceModel = test::source_dir() + "/tests/data/bugs/12-first-space-of-answer-lost/model";

struct Streamed {
  Answer answer;
  std::string pieces;
};

Streamed answer_to(const std::string& model, const std::string& prompt, std::int64_t n) {
  Streamed out;
  auto engine = Engine::load(model, test::on_test_device({.n_threads = 1, .precision = kernels::Precision::exact}));
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  if (!engine.ok()) return out;
  const text::Tokenizer& tokenizer = **(*engine)->tokenizer();
  Generator generator(**engine, {.temperature = 0});
  EXPECT_TRUE(generator.set_prompt(*tokenizer.encode(prompt)).ok());
  const CancelFlag cancel{false};
  auto answer = stream_answer(generator, tokenizer, {.max_tokens = n}, 256, &cancel, [&](std::string_view piece) {
    EXPECT_TRUE(utf8::is_valid(piece));
    out.pieces += piece;
    return true;
  });
  EXPECT_TRUE(answer.ok()) << answer.status().message();
  if (answer.ok()) out.answer = *answer;
  return out;
}

TEST(Answer, answers_keep_their_first_space) {
  const Streamed s = answer_to(kSpaceModel, "x", 3);
  EXPECT_EQ(s.answer.text, " world a world");
  EXPECT_EQ(s.pieces, s.answer.text);
  EXPECT_EQ(answer_to(kSpaceModel, "x world", 2).answer.text, " a world");
}

TEST(Answer, prompt_and_answer_are_one_text_on_any_tokenizer) {
  const std::string model = kBundledModel;
  const Result<text::Tokenizer> tokenizer = text::Tokenizer::load(model);
  ASSERT_TRUE(tokenizer.ok());
  for (const char* prompt : {"It was the", "naïve é 日本", " "}) {
    const Streamed s = answer_to(model, prompt, 12);
    std::vector<std::int32_t> all = *tokenizer->encode(prompt);
    all.insert(all.end(), s.answer.ids.begin(), s.answer.ids.end());
    EXPECT_EQ(prompt + s.answer.text, tokenizer->decode(all)) << prompt;
    EXPECT_EQ(s.pieces, s.answer.text);
  }
}

}  // namespace
}  // namespace jang::engine
