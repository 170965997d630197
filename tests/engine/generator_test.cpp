// SPDX-License-Identifier: Apache-2.0
// Generation on the bundled model: repeatable, independent of chunks and of what was asked before.
#include "engine/generator.h"

#include <gtest/gtest.h>

#include <string>

#include "../support/bundled_model.h"
#include "../support/test_device.h"
#include "greedy.h"
#include "text/tokenizer.h"

namespace jang::engine {
namespace {

using test::kBundledModel;

std::unique_ptr<Engine> load() {
  LoadOptions options;
  options.n_threads = 2;
  options.precision = kernels::Precision::exact;
  auto engine = Engine::load(kBundledModel, jang::test::on_test_device(options));
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(engine).value() : nullptr;
}

std::vector<std::int32_t> ids_of(Engine& engine, std::string_view text) {
  const auto tokenizer = engine.tokenizer();
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return std::move((*tokenizer)->encode(text)).value();
}

std::vector<std::int32_t> generate(Generator& generator, std::span<const std::int32_t> prompt, int n) {
  const Status set = generator.set_prompt(prompt);
  EXPECT_TRUE(set.ok()) << set.message();
  std::vector<std::int32_t> out;
  for (int i = 0; i < n; ++i) out.push_back(generator.next().value());
  return out;
}

TEST(Generator, seeded_runs_repeat_and_seeds_differ) {
  const auto engine = load();
  ASSERT_NE(engine, nullptr);
  const auto prompt = ids_of(*engine, "It was a dark and stormy night");
  SamplingOptions sampling;
  sampling.seed = 7;
  Generator a(*engine, sampling), b(*engine, sampling);
  sampling.seed = 8;
  Generator c(*engine, sampling);
  const auto first = generate(a, prompt, 24);
  EXPECT_EQ(first, generate(b, prompt, 24));
  EXPECT_NE(first, generate(c, prompt, 24));
}

TEST(Generator, chunked_prompt_gives_the_same_text) {
  const auto engine = load();
  ASSERT_NE(engine, nullptr);
  const auto prompt = ids_of(*engine, "The captain looked at the sea for a long time, and said nothing to the men who waited.");
  Generator whole(*engine, kGreedy), chunked(*engine, kGreedy, 5);
  EXPECT_EQ(generate(whole, prompt, 16), generate(chunked, prompt, 16));
}

TEST(Generator, shared_prefix_is_reused_and_changes_nothing) {
  const auto engine = load();
  ASSERT_NE(engine, nullptr);
  const auto prompt = ids_of(*engine, "She opened the letter and read it twice.");
  Generator used(*engine, kGreedy);
  std::vector<std::int32_t> longer = prompt;
  for (const std::int32_t id : generate(used, prompt, 8)) longer.push_back(id);
  const auto more = ids_of(*engine, " Then she laughed");
  longer.insert(longer.end(), more.begin(), more.end());
  const auto reused = generate(used, longer, 12);
  EXPECT_EQ(used.timings().reused_tokens, static_cast<std::int64_t>(prompt.size() + 7));  // the last generated token was still pending
  Generator fresh(*engine, kGreedy);
  EXPECT_EQ(reused, generate(fresh, longer, 12));
  EXPECT_EQ(fresh.timings().reused_tokens, 0);
}

// A conversation: every prompt repeats what was said before and adds to it. What the penalties count must be what one run over the same
// tokens counts, however many turns led there.
TEST(Generator, penalties_count_every_token_of_a_conversation_once) {
  const auto engine = load();
  ASSERT_NE(engine, nullptr);
  for (const std::int32_t last_n : {-1, 8, 64}) {
    SamplingOptions sampling = kGreedy;
    sampling.repeat_last_n = last_n;
    sampling.frequency_penalty = 0.4;
    sampling.presence_penalty = 0.1;
    sampling.repeat_penalty = 1.05;
    Generator chat(*engine, sampling);
    std::vector<std::int32_t> said = ids_of(*engine, "Once upon a time there was an old man who lived by the sea.");
    for (int turn = 0; turn < 4; ++turn) {
      const auto answer = generate(chat, said, 10);
      Generator fresh(*engine, sampling);
      EXPECT_EQ(answer, generate(fresh, said, 10)) << "turn " << turn << ", last " << last_n;
      said = chat.tokens();
      const auto more = ids_of(*engine, " And then he said:");
      said.insert(said.end(), more.begin(), more.end());
    }
    // A prompt that is another text altogether counts nothing of the old one.
    const auto other = ids_of(*engine, "He sat down.");
    Generator fresh(*engine, sampling);
    EXPECT_EQ(generate(chat, other, 10), generate(fresh, other, 10)) << last_n;
    // One that was stopped before it was read counts for nothing either.
    const CancelFlag cancel{true};
    EXPECT_FALSE(chat.set_prompt(said, &cancel).ok());
    Generator again(*engine, sampling);
    EXPECT_EQ(generate(chat, other, 10), generate(again, other, 10)) << last_n;
  }
}

// Draws go on from turn to turn: an answer is not drawn like the one before it.
TEST(Generator, draws_go_on_from_turn_to_turn) {
  const auto engine = load();
  ASSERT_NE(engine, nullptr);
  SamplingOptions sampling;
  sampling.seed = 11;
  sampling.temperature = 1.5;
  Generator g(*engine, sampling);
  const auto prompt = ids_of(*engine, "It was");
  EXPECT_NE(generate(g, prompt, 16), generate(g, prompt, 16));
}

TEST(Generator, impossible_prompts_are_refused) {
  const auto engine = load();
  ASSERT_NE(engine, nullptr);
  Generator g(*engine, kGreedy);
  EXPECT_EQ(g.set_prompt({}).code(), StatusCode::invalid_argument);
  const std::int32_t beyond[] = {1, 1 << 20};
  EXPECT_EQ(g.set_prompt(beyond).code(), StatusCode::invalid_argument);
}

TEST(Generator, cancelled_prompt_says_so) {
  const auto engine = load();
  ASSERT_NE(engine, nullptr);
  Generator g(*engine, kGreedy);
  const CancelFlag cancel{true};
  EXPECT_EQ(g.set_prompt(ids_of(*engine, "Once"), &cancel).code(), StatusCode::cancelled);
}

}  // namespace
}  // namespace jang::engine
