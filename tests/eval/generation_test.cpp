// SPDX-License-Identifier: Apache-2.0
// Sampled texts and greedy continuations against direct draws from a toy model; the figures against texts made by hand.
#include "eval/generation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/counter_draw.h"
#include "toy_model.h"

namespace jang::eval {
namespace {

using Tokens = std::vector<std::int32_t>;

constexpr std::int64_t kSmallVocab = 23;

// Text `index` drawn one token after the other from the probabilities themselves.
SampledText drawn_text(const ToyModel& model, const SampleOptions& o, std::int64_t index) {
  SampledText text;
  Tokens seen = {o.begin_token};
  for (std::int64_t t = 0; t < o.max_tokens; ++t) {
    const double at = engine::counter_uniform(o.seed, index, t);
    double sum = 0;
    std::int32_t token = 0;
    while (token + 1 < kSmallVocab && (sum += std::exp(model.log_probability(seen, token))) <= at) ++token;
    if (std::ranges::find(o.end_tokens, token) != o.end_tokens.end()) {
      text.ended = true;
      break;
    }
    text.tokens.push_back(token);
    seen.push_back(token);
  }
  return text;
}

TEST(Generation, texts_are_drawn_from_the_models_probabilities) {
  ToyModel model(kSmallVocab, 5, 2, 2);
  SampleOptions o;
  o.n_texts = 13;
  o.max_tokens = 12;
  o.seed = 9;
  o.begin_token = 3;
  o.end_tokens = {7, 11};
  int n_ended = 0;
  for (const std::int64_t at_a_time : {1, 4, 64}) {
    o.texts_at_a_time = at_a_time;
    const auto texts = sample_texts(model, o);
    ASSERT_TRUE(texts.ok()) << texts.status().message();
    ASSERT_EQ(texts->size(), 13u);
    n_ended = 0;
    for (std::size_t i = 0; i < texts->size(); ++i) {
      const SampledText expected = drawn_text(model, o, static_cast<std::int64_t>(i));
      EXPECT_EQ((*texts)[i].tokens, expected.tokens) << i;
      EXPECT_EQ((*texts)[i].ended, expected.ended) << i;
      n_ended += expected.ended ? 1 : 0;
    }
  }
  EXPECT_GT(n_ended, 0);
  EXPECT_LT(n_ended, 13);
}

TEST(Generation, continuations_take_the_likeliest_token) {
  ToyModel model(kSmallVocab, 0, 1, 2);
  const std::vector<Tokens> prompts = {{1}, {4, 5, 6}, {2, 2}};
  const auto found = continue_greedily(model, prompts, 12);
  ASSERT_TRUE(found.ok()) << found.status().message();
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    Tokens seen = prompts[i];
    for (int t = 0; t < 12; ++t) {
      std::int32_t best = 0;
      for (std::int32_t v = 1; v < kSmallVocab; ++v)
        if (model.log_probability(seen, v) > model.log_probability(seen, best)) best = v;
      seen.push_back(best);
    }
    EXPECT_EQ((*found)[i], Tokens(seen.end() - 12, seen.end())) << i;
  }
  EXPECT_TRUE(continue_greedily(model, {}, 12)->empty());
}

TEST(Generation, logits_that_are_no_numbers_and_cancelling_are_errors) {
  ToyModel broken(kSmallVocab, ToyModel::kBroken);
  SampleOptions o;
  o.n_texts = 2;
  EXPECT_EQ(sample_texts(broken, o).status().code(), StatusCode::corrupt);
  const std::vector<Tokens> prompts = {{1}};
  EXPECT_EQ(continue_greedily(broken, prompts, 2).status().code(), StatusCode::corrupt);
  ToyModel model(kSmallVocab, 0);
  const CancelFlag cancel{true};
  o.cancel = &cancel;
  EXPECT_EQ(sample_texts(model, o).status().code(), StatusCode::cancelled);
  EXPECT_EQ(continue_greedily(model, prompts, 2, &cancel).status().code(), StatusCode::cancelled);
}

TEST(Generation, runs_of_four_are_counted) {
  EXPECT_EQ(distinct_four_grams({}), 1);
  EXPECT_EQ(distinct_four_grams(Tokens{1, 1, 1, 1}), 1);
  EXPECT_EQ(distinct_four_grams(Tokens{1, 1, 1, 1, 1}), 0.5);
  EXPECT_EQ(distinct_four_grams(Tokens{1, 2, 3, 4, 5, 6}), 1);
  EXPECT_EQ(distinct_four_grams(Tokens(103, 8)), 0.01);
  EXPECT_EQ(distinct_four_grams(Tokens{1, 2, 3, 1, 2, 3, 1, 2, 3}), 0.5);  // 1231 2312 3123, twice
}

TEST(Generation, figures_are_those_of_the_texts) {
  const Tokens loop(103, 8), plain = {1, 2, 3, 4, 5, 6};
  const std::vector<SampledText> source = {{plain, true}, {plain, false}, {loop, false}, {plain, true}};
  const std::vector<SampledText> model = {{loop, false}, {loop, false}, {loop, false}, {plain, true}};
  const std::vector<Tokens> a = {{1, 2, 3}, {4, 5, 6}}, b = {{1, 2, 9}, {4, 5, 6}};
  const Generation g = compare_generation(source, model, a, b);
  EXPECT_EQ(g.source.repeating.count, 1);
  EXPECT_EQ(g.model.repeating.count, 3);
  EXPECT_EQ(g.model.repeating.n, 4);
  EXPECT_EQ(g.source.ended.count, 2);
  EXPECT_EQ(g.model.ended.count, 1);
  EXPECT_DOUBLE_EQ(g.source.length.mean, (3 * 6 + 103) / 4.0);
  EXPECT_DOUBLE_EQ(g.source.distinct.mean, 3.01 / 4);
  EXPECT_DOUBLE_EQ(g.repeating_p, 0.5);  // two texts of the model only
  EXPECT_DOUBLE_EQ(g.ended_p, 1);
  EXPECT_DOUBLE_EQ(g.greedy_common.mean, 2.5);
  EXPECT_EQ(g.greedy_tokens, 3);
  EXPECT_EQ(g.identical.count, 1);
  EXPECT_EQ(g.identical.n, 2);
  EXPECT_DOUBLE_EQ(g.length_change.mean, 2 * 97 / 4.0);
  EXPECT_GT(g.length_change.standard_error, 0);
  EXPECT_DOUBLE_EQ(g.distinct_change.mean, -2 * 0.99 / 4);
  json::Value v = json::Value::object();
  add_to_json(g, &v);
  EXPECT_EQ(v["model_texts"]["repeating"], 0.75);
  EXPECT_EQ(v["source_texts"]["texts"], 4);
  EXPECT_EQ(v["greedy_prompts"], 2);
  EXPECT_EQ(v["length_change"], 48.5);
  for (const char* key : {"length_change_stderr", "distinct_4grams_change_stderr", "greedy_common_stderr", "greedy_identical_interval"})
    EXPECT_TRUE(v.contains(key)) << key;
}

}  // namespace
}  // namespace jang::eval
