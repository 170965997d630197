// SPDX-License-Identifier: Apache-2.0
// Choice scores against direct sums over a toy model, whatever the batching and sharing; borders of tokens; item logs and their summary.
#include "eval/choice.h"

#include <cmath>

#include <gtest/gtest.h>

#include "eval/items.h"
#include "toy_model.h"

namespace jang::eval {
namespace {

// One token per byte, but "th" is one token: a border inside it moves.
Result<Tokens> encode_with_th(std::string_view text) {
  Tokens tokens;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "th") {
      tokens.push_back(36);
      ++i;
    } else {
      tokens.push_back(static_cast<unsigned char>(text[i]) % 36);
    }
  }
  return tokens;
}

TaskItem item(std::string context, std::vector<std::string> continuations, int answer = 0) {
  TaskItem i;
  i.id = context;
  i.context = std::move(context);
  for (const std::string& c : continuations) i.lengths.push_back(static_cast<std::int64_t>(c.size()));
  i.continuations = std::move(continuations);
  i.answer = answer;
  return i;
}

double direct(const ToyModel& model, const TokenItem& t, std::size_t c) {
  Tokens seen = t.prefix;
  double sum = 0;
  for (const std::int32_t token : t.continuations[c]) {
    sum += model.log_probability(seen, token);
    seen.push_back(token);
  }
  return sum;
}

std::vector<TokenItem> many_items() {
  std::vector<TokenItem> items;
  const std::string header(50, 'h');
  for (int i = 0; i < 12; ++i) {
    const std::string context = (i < 8 ? header + (i < 4 ? "one" : "two") : std::string("x")) + std::to_string(i);
    items.push_back(tokenize_item(item(context, {" a", " longer one", " mid" + std::to_string(i)}), encode_with_th, -1, 0).value());
  }
  return items;
}

std::vector<ItemScore> scores_of(LanguageModel& model, std::span<const TokenItem> items, const TaskOptions& options) {
  std::vector<ItemScore> scores;
  const Status done = score_items(model, items, options, [&](std::size_t i, ItemScore s) -> Status {
    EXPECT_EQ(i, scores.size());
    scores.push_back(std::move(s));
    return {};
  });
  EXPECT_TRUE(done.ok()) << done.message();
  return scores;
}

TEST(Choice, equals_direct_sums) {
  ToyModel model(kVocab, 3);
  const std::vector<TokenItem> items = many_items();
  const std::vector<ItemScore> scores = scores_of(model, items, {});
  ASSERT_EQ(scores.size(), items.size());
  for (std::size_t i = 0; i < items.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(scores[i].log_likelihood[c], direct(model, items[i], c), 1e-9) << i << " " << c;
}

TEST(Choice, batching_sharing_and_threads_change_no_bit) {
  const std::vector<TokenItem> items = many_items();
  ToyModel plain(kVocab, 3), shared(kVocab, 3), threaded(kVocab, 3, 1, 4);
  const auto one = scores_of(plain, items, {.tokens_per_step = 1, .min_shared = 1 << 20});
  const auto many = scores_of(shared, items, {.tokens_per_step = 1 << 20, .min_shared = 8});
  const auto four = scores_of(threaded, items, {});
  for (std::size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(one[i].log_likelihood, many[i].log_likelihood);
    EXPECT_EQ(one[i].log_likelihood, four[i].log_likelihood);
    EXPECT_EQ(one[i].greedy, many[i].greedy);
  }
  EXPECT_LT(shared.n_tokens, plain.n_tokens - 6 * 50);  // the header of 50 ran once for eight items
  EXPECT_LT(shared.n_steps, plain.n_steps);
}

TEST(Choice, border_inside_a_token_moves_left_for_all) {
  const TokenItem t = tokenize_item(item("at", {"he", "xy"}), encode_with_th, -1, 0).value();
  EXPECT_EQ(t.prefix.size(), 1u);  // "a": the t belongs to "th" in one of the choices
  EXPECT_EQ(t.continuations[0].size(), 2u);
  EXPECT_EQ(t.continuations[1].size(), 3u);
}

TEST(Choice, prefix_is_cut_from_the_left_to_fit) {
  const TokenItem whole = tokenize_item(item("abcdefgh", {" x", " yz"}), encode_with_th, -1, 10).value();
  EXPECT_FALSE(whole.cut);
  EXPECT_EQ(whole.prefix.size(), 8u);
  const TokenItem cut = tokenize_item(item("abcdefgh", {" x", " yz"}), encode_with_th, -1, 9).value();
  EXPECT_TRUE(cut.cut);
  EXPECT_EQ(cut.prefix.size(), 7u);
  EXPECT_EQ(cut.prefix.back(), whole.prefix.back());
}

TEST(Choice, an_empty_context_needs_a_start_token) {
  EXPECT_FALSE(tokenize_item(item("", {"ab"}), encode_with_th, -1, 0).ok());
  const TokenItem t = tokenize_item(item("", {"ab"}), encode_with_th, 4, 0).value();
  EXPECT_EQ(t.prefix, (Tokens{4}));
  EXPECT_EQ(t.continuations[0].size(), 2u);
  EXPECT_FALSE(tokenize_item(item("abc", {"", "x"}), encode_with_th, 4, 0).ok());
}

TEST(Choice, greedy_says_whether_decoding_gives_the_continuation) {
  ToyModel model(kVocab, 3);
  Tokens seen = {1, 2, 3}, best;
  for (int i = 0; i < 3; ++i) {
    std::int32_t top = 0;
    for (std::int32_t v = 0; v < kVocab; ++v)
      if (model.log_probability(seen, v) > model.log_probability(seen, top)) top = v;
    best.push_back(top);
    seen.push_back(top);
  }
  Tokens other = best;
  other[1] = (other[1] + 1) % static_cast<std::int32_t>(kVocab);
  const TokenItem items[] = {{{1, 2, 3}, {best, other}, false}};
  EXPECT_EQ(scores_of(model, items, {})[0].greedy, (std::vector<std::uint8_t>{1, 0}));
}

TEST(Choice, tokens_beyond_the_vocabulary_are_refused) {
  ToyModel model(5, 0);
  const auto sink = [](std::size_t, ItemScore) { return Status(); };
  EXPECT_EQ(score_items(model, many_items(), {}, sink).code(), StatusCode::invalid_argument);
}

TEST(Choice, a_model_without_numbers_is_an_error) {
  ToyModel broken(kVocab, ToyModel::kBroken);
  const std::vector<TokenItem> items = {{{1, 2}, {{3}, {4, 5}}, false}};
  EXPECT_EQ(score_items(broken, items, {}, [](std::size_t, ItemScore) { return Status(); }).code(), StatusCode::corrupt);
}

TEST(Items, result_picks_raw_and_normalised_choice) {
  TaskItem t = item("c", {" a", " longer"}, 1);
  t.lengths = {1, 6};
  const ItemResult r = result_of(3, t, {{-2.0, -6.0}, {0, 0}, false});
  EXPECT_EQ(r.choice, 0);
  EXPECT_FALSE(r.correct);
  EXPECT_EQ(r.choice_norm, 1);
  EXPECT_TRUE(r.correct_norm);
}

TEST(Items, a_model_that_gives_no_number_is_never_right) {
  const double nan = std::nan("");
  EXPECT_FALSE(result_of(0, item("c", {"a", "b"}, 0), {{nan, nan}, {0, 0}, false}).correct);
  EXPECT_TRUE(result_of(0, item("c", {"a", "b"}, 1), {{nan, -1}, {0, 0}, false}).correct);
}

std::vector<ItemResult> log_of(const std::vector<int>& right) {
  std::vector<ItemResult> items;
  for (std::size_t i = 0; i < right.size(); ++i) {
    TaskItem t = item("c" + std::to_string(i), {" a", " b"}, 0);
    t.subject = i % 2 ? "odd" : "even";
    items.push_back(result_of(i, t, {right[i] ? std::vector<double>{-1.25, -2} : std::vector<double>{-2, -1.1}, {0, 0}, false}));
  }
  return items;
}

TEST(Items, log_is_read_back_as_written) {
  const auto items = log_of({1, 0, 1, 1});
  std::string text;
  for (const ItemResult& r : items) text += item_line(r);
  const auto again = parse_item_log(text, "log");
  ASSERT_TRUE(again.ok()) << again.status().message();
  ASSERT_EQ(again.value().size(), items.size());
  for (std::size_t i = 0; i < items.size(); ++i) EXPECT_EQ(item_line(again.value()[i]), item_line(items[i]));
}

TEST(Items, every_truncation_of_a_log_is_read_or_refused) {
  std::string text;
  for (const ItemResult& r : log_of({1, 0, 1})) text += item_line(r);
  for (std::size_t n = 0; n < text.size(); ++n) {
    const std::string_view part = std::string_view(text).substr(0, n);
    const auto kept = parse_item_log(part, "log", true);
    ASSERT_TRUE(kept.ok()) << n;
    EXPECT_EQ(kept.value().size(), static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n')));
    const auto strict = parse_item_log(part, "log");
    EXPECT_TRUE(strict.ok() || strict.status().code() == StatusCode::corrupt) << n;
  }
}

TEST(Items, hostile_logs_are_refused) {
  for (const char* line :
       {"[]", "{}", R"({"item":-1,"log_likelihood":[1]})", R"({"item":0,"log_likelihood":[]})", R"({"item":0,"log_likelihood":["x"]})",
        R"({"item":0,"answer":1,"log_likelihood":[1]})", R"({"item":0,"answer":"A","log_likelihood":[1]})",
        "{\"item\":0,\"log_likelihood\":[1]}\n{\"item\":0,\"log_likelihood\":[1]}"}) {
    const auto log = parse_item_log(line, "log");
    ASSERT_FALSE(log.ok()) << line;
    EXPECT_EQ(log.status().code(), StatusCode::corrupt) << line;
  }
}

TEST(Items, summary_counts_per_subject_and_over_all) {
  const TaskSummary s = summarize(log_of({1, 0, 1, 1, 0}));
  EXPECT_EQ(s.raw.correct, 3);
  EXPECT_EQ(s.raw.n, 5);
  ASSERT_EQ(s.subjects.size(), 2u);
  EXPECT_EQ(s.subjects[0].name, "even");
  EXPECT_EQ(s.subjects[0].raw.correct, 2);
  EXPECT_EQ(s.subjects[1].raw.n, 2);
  EXPECT_FALSE(s.word_perplexity.has_value());
  json::Value v = json::Value::object();
  add_to_json(s, &v);
  EXPECT_EQ(v["accuracy"], 0.6);
  EXPECT_EQ(v["subjects"].size(), 2u);
}

TEST(Items, last_words_have_a_perplexity) {
  const ItemResult right = result_of(0, item("c", {" w"}), {{-1.0}, {1}, false}),
                   wrong = result_of(1, item("c", {" w"}), {{-3.0}, {0}, false});
  const std::vector<ItemResult> items = {right, wrong};
  const TaskSummary s = summarize(items);
  EXPECT_EQ(s.raw.correct, 1);
  ASSERT_TRUE(s.word_perplexity.has_value());
  EXPECT_NEAR(s.word_perplexity->value, std::exp(2.0), 1e-12);
}

TEST(Items, mcnemar_counts_discordant_pairs) {
  const auto c = compare_items(log_of({1, 1, 1, 1, 1, 1, 0, 1, 0}), log_of({0, 0, 0, 0, 0, 0, 0, 1, 0}));
  ASSERT_TRUE(c.ok());
  EXPECT_EQ(c.value().only_first, 6);
  EXPECT_EQ(c.value().only_second, 0);
  EXPECT_EQ(c.value().both, 1);
  EXPECT_EQ(c.value().neither, 2);
  EXPECT_DOUBLE_EQ(c.value().p, 0.03125);
  EXPECT_FALSE(compare_items(log_of({1, 0}), log_of({1})).ok());
  auto other = log_of({1, 0});
  other[1].id = "else";
  EXPECT_FALSE(compare_items(log_of({1, 0}), other).ok());
}

}  // namespace
}  // namespace jang::eval
