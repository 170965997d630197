// SPDX-License-Identifier: Apache-2.0
// Scoring, perplexity and divergence against direct sums over a toy model, and that threads and batching change no bit.
#include "eval/divergence.h"

#include <cmath>

#include <gtest/gtest.h>

#include "toy_model.h"

namespace jang::eval {
namespace {

struct Case {
  std::vector<std::int32_t> tokens;
  std::vector<Window> windows;
  TextWindows text(std::int32_t begin_token = -1) const { return {tokens, windows, begin_token}; }
};

Case make_case(std::size_t n, std::string_view protocol, std::int64_t ctx) {
  Case c;
  c.tokens = toy_text(n, kVocab);
  const auto p = make_protocol(protocol, ctx, {});
  EXPECT_TRUE(p.ok());
  c.windows = make_windows(static_cast<std::int64_t>(n), p.value()).value();
  return c;
}

DivergenceScores scores_of(LanguageModel& a, LanguageModel& b, const TextWindows& text, std::int64_t step = 2048) {
  ScoreOptions options;
  options.tokens_per_step = step;
  const auto scores = measure_divergence(a, b, text, options);
  EXPECT_TRUE(scores.ok()) << scores.status().message();
  return scores.ok() ? scores.value() : DivergenceScores{};
}

TEST(Divergence, equals_direct_sums) {
  for (const std::string_view protocol : {"windows", "llama.cpp", "sliding"}) {
    const Case c = make_case(100, protocol, 16);
    ToyModel a(kVocab, 0), b(kVocab, 5);
    const DivergenceScores scores = scores_of(a, b, c.text());
    ASSERT_EQ(scores.model.size(), c.windows.size());
    for (std::size_t w = 0; w < c.windows.size(); ++w) {
      const Window& window = c.windows[w];
      ASSERT_EQ(static_cast<std::int64_t>(scores.model[w].kld.size()), window.n_scored());
      for (std::int64_t i = 0; i < window.n_scored(); ++i) {
        const std::span<const std::int32_t> prefix(c.tokens.data() + window.begin, static_cast<std::size_t>(window.first_scored + i));
        const std::int32_t target = c.tokens[static_cast<std::size_t>(window.begin + window.first_scored + i)];
        double kld = 0;
        std::int32_t top_a = 0, top_b = 0;
        for (std::int32_t v = 0; v < kVocab; ++v) {
          const double la = a.log_probability(prefix, v), lb = b.log_probability(prefix, v);
          kld += std::exp(la) * (la - lb);
          if (la > a.log_probability(prefix, top_a)) top_a = v;
          if (lb > b.log_probability(prefix, top_b)) top_b = v;
        }
        const auto at = static_cast<std::size_t>(i);
        EXPECT_NEAR(scores.model[w].kld[at], kld, 1e-9);
        EXPECT_NEAR(scores.reference[w].nll[at], -a.log_probability(prefix, target), 1e-9);
        EXPECT_NEAR(scores.model[w].nll[at], -b.log_probability(prefix, target), 1e-9);
        EXPECT_EQ(scores.model[w].same[at], top_a == top_b ? 1 : 0);
      }
    }
  }
}

TEST(Divergence, of_a_model_from_itself_is_exactly_zero) {
  const Case c = make_case(64, "windows", 16);
  ToyModel a(kVocab, 3), b(kVocab, 3);
  const DivergenceScores scores = scores_of(a, b, c.text());
  const Divergence d = divergence_of(scores.reference, scores.model);
  EXPECT_EQ(d.kld.mean, 0);
  EXPECT_EQ(d.n_same, d.n);
  EXPECT_EQ(d.ratio.value, 1);
  EXPECT_EQ(d.ratio.standard_error, 0);
}

TEST(Divergence, threads_and_steps_change_no_bit) {
  const Case c = make_case(300, "windows", 16);
  ToyModel a(kVocab, 1), b(kVocab, 2), a4(kVocab, 1, 1, 4), b4(kVocab, 2, 1, 4);
  const DivergenceScores one = scores_of(a, b, c.text(), 1), many = scores_of(a4, b4, c.text(), 4096);
  EXPECT_EQ(a.n_steps, 18);
  EXPECT_EQ(a4.n_steps, 1);
  ASSERT_EQ(one.model.size(), many.model.size());
  for (std::size_t w = 0; w < one.model.size(); ++w) {
    EXPECT_EQ(one.model[w].window, w);
    EXPECT_EQ(one.model[w].kld, many.model[w].kld);
    EXPECT_EQ(one.model[w].nll, many.model[w].nll);
    EXPECT_EQ(one.reference[w].nll, many.reference[w].nll);
  }
}

TEST(Divergence, several_models_side_by_side_equal_one_at_a_time) {
  const Case c = make_case(100, "windows", 16);
  ToyModel a(kVocab, 0), b(kVocab, 1), d(kVocab, 2);
  LanguageModel* const others[] = {&b, &d};
  std::vector<std::vector<WindowScores>> together(3);
  ASSERT_TRUE(score_windows(a, others, c.text(), {}, [&](std::size_t m, WindowScores s) -> Status {
                together[m].push_back(std::move(s));
                return {};
              }).ok());
  const DivergenceScores alone = scores_of(a, d, c.text());
  for (std::size_t w = 0; w < alone.model.size(); ++w) EXPECT_EQ(together[2][w].kld, alone.model[w].kld);
  EXPECT_NE(together[1][0].kld, together[2][0].kld);
}

TEST(Divergence, begin_token_replaces_the_first_of_each_window) {
  const Case c = make_case(32, "llama.cpp", 16);
  ToyModel a(kVocab, 0);
  const auto scores = measure_perplexity(a, c.text(5), {});
  ASSERT_TRUE(scores.ok());
  for (std::size_t w = 0; w < 2; ++w) {
    std::vector<std::int32_t> seen(c.tokens.begin() + c.windows[w].begin, c.tokens.begin() + c.windows[w].begin + 10);
    const std::int32_t target = seen.back();
    seen.pop_back();
    seen.front() = 5;
    EXPECT_NEAR(scores.value()[w].nll.front(), -a.log_probability(seen, target), 1e-9);
  }
}

// A token that the model rules out and the source does not is infinitely far away, and no mistake.
TEST(Divergence, not_finite_values_are_counted_and_null_in_json) {
  const Case c = make_case(64, "windows", 16);
  ToyModel a(kVocab, 0), hard(kVocab, ToyModel::kRulesOut);
  const DivergenceScores scores = scores_of(a, hard, c.text());
  const Divergence d = divergence_of(scores.reference, scores.model);
  EXPECT_GT(d.n_not_finite, 0);
  json::Value v = json::Value::object();
  add_to_json(d, &v);
  EXPECT_TRUE(v["kld_mean"].is_null());
  EXPECT_TRUE(v["kld_percentiles"]["99"].is_null());
  EXPECT_TRUE(v["ref_perplexity"].is_number());
}

TEST(Divergence, a_model_without_numbers_is_an_error_on_either_side) {
  const Case c = make_case(64, "windows", 16);
  ToyModel a(kVocab, 0), broken(kVocab, ToyModel::kBroken);
  EXPECT_EQ(measure_divergence(a, broken, c.text(), {}).status().code(), StatusCode::corrupt);
  EXPECT_EQ(measure_divergence(broken, a, c.text(), {}).status().code(), StatusCode::corrupt);
  EXPECT_EQ(measure_perplexity(broken, c.text(), {}).status().code(), StatusCode::corrupt);
}

TEST(Divergence, json_has_the_keys_of_the_contract) {
  const Case c = make_case(64, "windows", 16);
  ToyModel a(kVocab, 0), b(kVocab, 1);
  const DivergenceScores scores = scores_of(a, b, c.text());
  const Divergence d = divergence_of(scores.reference, scores.model);
  json::Value v = json::Value::object();
  add_to_json(d, &v);
  for (const char* key : {"kld_mean", "kld_stderr", "same_top", "perplexity", "ref_perplexity", "nll", "stderr", "tokens"})
    EXPECT_TRUE(v[key].is_number()) << key;
  for (const char* key : {"50", "90", "95", "99", "99.9", "max"}) EXPECT_TRUE(v["kld_percentiles"][key].is_number()) << key;
  EXPECT_EQ(v["tokens"], 60);
  EXPECT_NEAR(v["perplexity"].get<double>() / v["ref_perplexity"].get<double>(), v["perplexity_ratio"].get<double>(), 1e-12);
}

TEST(Divergence, failures_are_reported) {
  const Case c = make_case(64, "windows", 16);
  ToyModel a(kVocab, 0), other(kVocab + 1, 0), small(5, 0);
  EXPECT_EQ(measure_divergence(a, other, c.text(), {}).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(measure_perplexity(small, c.text(), {}).status().code(), StatusCode::invalid_argument);
  const CancelFlag stop = true;
  ScoreOptions options;
  options.cancel = &stop;
  EXPECT_EQ(measure_perplexity(a, c.text(), options).status().code(), StatusCode::cancelled);
  const Status full(StatusCode::io, "full");
  EXPECT_EQ(score_windows(a, {}, c.text(), {}, [&](std::size_t, WindowScores) { return full; }).code(), StatusCode::io);
}

TEST(Divergence, a_flat_model_has_the_perplexity_of_its_vocabulary) {
  const Case c = make_case(64, "windows", 16);
  ToyModel flat(kVocab, 0, 1e12);
  const auto scores = measure_perplexity(flat, c.text(), {});
  ASSERT_TRUE(scores.ok());
  EXPECT_NEAR(perplexity_of(all_nll(scores.value())).perplexity.value, kVocab, 1e-6);
}

TEST(Divergence, rows_of_logits_are_bounded) {
  EXPECT_EQ(logit_rows(262144), 32);
  EXPECT_EQ(logit_rows(8192), 128);
  EXPECT_EQ(logit_rows(1 << 24), 16);
  EXPECT_EQ(logit_rows(0), 128);
}

}  // namespace
}  // namespace jang::eval
