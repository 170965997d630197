// SPDX-License-Identifier: Apache-2.0
// Evaluation of a real model: the bundled one, on the device that tests run on.
#include "eval/engine_model.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "../support/bundled_model.h"
#include "../support/test_device.h"
#include "eval/choice.h"
#include "eval/divergence.h"
#include "eval/generation.h"
#include "eval/perplexity.h"

namespace jang::eval {
namespace {

using test::kBundledModel;
using test::kBundledText;

namespace fs = std::filesystem;

TEST(EngineModel, text_is_one_stream_with_special_tokens) {
  const auto engine = engine::Engine::load(kBundledModel, jang::test::on_test_device({}));
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  const fs::path path = fs::path(testing::TempDir()) / "stream_test.txt";
  std::ofstream(path, std::ios::binary) << "<|endoftext|>Call me Ishmael.<|endoftext|>";
  const auto stream = read_token_stream(*engine.value(), path.string(), 0);
  ASSERT_TRUE(stream.ok()) << stream.status().message();
  EXPECT_EQ(stream.value().tokens.front(), 0);
  EXPECT_EQ(stream.value().tokens.back(), 0);
  EXPECT_EQ(read_token_stream(*engine.value(), path.string(), 3).value().tokens.size(), 3u);
  std::ofstream(path, std::ios::binary) << "bad \xff";
  EXPECT_EQ(read_token_stream(*engine.value(), path.string(), 0).status().code(), StatusCode::corrupt);
  fs::remove(path);
}

TEST(EngineModel, a_cloned_context_scores_like_a_fresh_one) {
  engine::LoadOptions load;
  load.precision = kernels::Precision::exact;
  const auto engine = engine::Engine::load(kBundledModel, jang::test::on_test_device(load));
  ASSERT_TRUE(engine.ok());
  EngineModel model(*engine.value());
  const Tokens tokens = {0, 5, 900, 77, 31, 2000, 15, 8, 9, 10, 11, 12};
  std::vector<float> whole, part;
  const auto fresh = model.new_context();
  const Extension all[] = {{fresh.get(), tokens}};
  ASSERT_TRUE(model.extend(all, &whole).ok());
  const auto base = model.new_context();
  const Extension head[] = {{base.get(), std::span(tokens).first(7)}};
  ASSERT_TRUE(model.extend(head, &part).ok());
  const auto clone = base->clone(), other = base->clone();
  const Tokens noise = {1, 2, 3};
  const Extension tails[] = {{other.get(), noise}, {clone.get(), std::span(tokens).subspan(7)}};
  ASSERT_TRUE(model.extend(tails, &part).ok());
  const auto width = static_cast<std::size_t>(model.hidden_size());
  for (std::size_t i = 0; i < 5 * width; ++i) ASSERT_NEAR(part[3 * width + i], whole[7 * width + i], 1e-4) << i;
}

// The measures look at the same predictions from several sides.
TEST(EngineModel, measures_agree_with_each_other) {
  const auto engine = engine::Engine::load(kBundledModel, jang::test::on_test_device({.precision = kernels::Precision::exact}));
  ASSERT_TRUE(engine.ok());
  EngineModel model(*engine.value());
  const Tokens tokens = read_token_stream(*engine.value(), kBundledText, 192).value().tokens;
  const std::vector<Window> windows = make_windows(192, make_protocol("windows", 64, {}).value()).value();
  const auto alone = measure_perplexity(model, {tokens, windows}, {});
  const auto beside = measure_divergence(model, model, {tokens, windows}, {});
  ASSERT_TRUE(alone.ok() && beside.ok());
  ASSERT_EQ(alone->size(), 3u);
  for (std::size_t w = 0; w < 3; ++w) {
    EXPECT_EQ(beside->reference[w].nll, (*alone)[w].nll);
    for (const double d : beside->model[w].kld) EXPECT_NEAR(d, 0, 1e-9);
  }

  const auto at = [&](std::int64_t i) { return tokens.begin() + i; };
  const Tokens prefix(at(0), at(32));
  const auto written = continue_greedily(model, std::vector<Tokens>{prefix}, 4);
  ASSERT_TRUE(written.ok());
  const TokenItem item{prefix, {Tokens(at(32), at(40)), written->front()}};
  ItemScore score;
  ASSERT_TRUE(score_items(model, std::vector<TokenItem>{item}, {}, [&](std::size_t, ItemScore s) {
                score = std::move(s);
                return Status();
              }).ok());
  double of_text = 0;
  for (std::size_t i = 31; i < 39; ++i) of_text -= (*alone)[0].nll[i];
  EXPECT_NEAR(score.log_likelihood[0], of_text, 1e-3);
  EXPECT_EQ(score.greedy[1], 1);

  const SampleOptions few{.n_texts = 2, .max_tokens = 8};
  const auto once = sample_texts(model, few), again = sample_texts(model, few);
  ASSERT_TRUE(once.ok() && again.ok());
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ((*once)[i].tokens, (*again)[i].tokens);
}

}  // namespace
}  // namespace jang::eval
