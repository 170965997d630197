// SPDX-License-Identifier: Apache-2.0
// The sampler against exact enumeration, its draws against their distribution (chi-square at a fixed seed), ties, and logits no model
// should give.
#include "engine/sampler.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace jang::engine {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Everything switched off but the temperature.
SamplingOptions plain(double temperature = 1.0) {
  SamplingOptions o;
  o.temperature = temperature;
  o.top_k = 0;
  o.top_p = 1.0;
  o.min_p = 0.0;
  return o;
}

std::vector<float> random_logits(std::size_t n, std::uint32_t seed, float scale = 3.0f) {
  std::mt19937 random(seed);
  std::vector<float> out(n);
  for (float& l : out) l = scale * (static_cast<float>(random() % 20001) / 10000.0f - 1.0f);
  return out;
}

// The definition, by sorting: what is left after each step, with probabilities.
std::map<std::int32_t, double> enumerate(std::vector<double> logits, const SamplingOptions& o) {
  std::vector<std::int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int a, int b) { return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)]; });
  const auto l = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
  if (o.top_k > 0) ids.resize(std::min(ids.size(), static_cast<std::size_t>(o.top_k)));
  double total = 0;
  for (const std::int32_t id : ids) total += std::exp(l(id) - l(ids[0]));
  if (o.top_p < 1) {
    double sum = 0;
    std::size_t n = 0;
    while (n < ids.size() && sum < o.top_p) sum += std::exp(l(ids[n++]) - l(ids[0])) / total;
    ids.resize(std::max<std::size_t>(n, 1));
  }
  std::map<std::int32_t, double> out;
  total = 0;
  for (const std::int32_t id : ids) {
    if (std::exp(l(id) - l(ids[0])) < o.min_p) continue;
    out[id] = std::exp((l(id) - l(ids[0])) / o.temperature);
    total += out[id];
  }
  for (auto& [id, p] : out) p /= total;
  return out;
}

void expect_distribution(const std::vector<float>& logits, const SamplingOptions& o) {
  const std::map<std::int32_t, double> expected = enumerate({logits.begin(), logits.end()}, o);
  const std::vector<TokenProbability> found = Sampler(o).distribution(logits);
  ASSERT_EQ(found.size(), expected.size()) << "top_k " << o.top_k << " top_p " << o.top_p << " min_p " << o.min_p;
  auto e = expected.begin();
  for (const TokenProbability& t : found) {
    EXPECT_EQ(t.id, e->first);
    EXPECT_NEAR(t.probability, e->second, 1e-12);
    ++e;
  }
}

TEST(Sampler, defaults_are_those_of_llama_cpp) {
  const SamplingOptions o;
  EXPECT_EQ(o.temperature, 0.8);
  EXPECT_EQ(o.top_k, 40);
  EXPECT_EQ(o.top_p, 0.95);
  EXPECT_EQ(o.min_p, 0.05);
  EXPECT_EQ(o.repeat_penalty, 1.0);
  EXPECT_EQ(o.repeat_last_n, 64);
  EXPECT_TRUE(validate(o).ok());
}

TEST(Sampler, distribution_is_that_of_the_definition) {
  for (const std::size_t n : {1u, 2u, 7u, 100u, 3000u}) {
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
      const std::vector<float> logits = random_logits(n, seed);
      for (const std::int32_t top_k : {0, 1, 5, 40, 1500, 5000}) {
        for (const double top_p : {1.0, 0.95, 0.5, 0.01}) {
          for (const double min_p : {0.0, 0.05, 0.5}) {
            SamplingOptions o = plain(seed == 0 ? 0.8 : 1.7);
            o.top_k = top_k, o.top_p = top_p, o.min_p = min_p;
            expect_distribution(logits, o);
          }
        }
      }
    }
  }
}

TEST(Sampler, top_p_keeps_the_fewest_tokens_that_reach_it) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.25f), std::log(0.125f), std::log(0.125f)};
  const auto kept = [&](double p) {
    SamplingOptions o = plain();
    o.top_p = p;
    return Sampler(o).distribution(logits).size();
  };
  EXPECT_EQ(kept(0.0), 1u) << "one token always stays";
  EXPECT_EQ(kept(0.45), 1u);
  EXPECT_EQ(kept(0.55), 2u);
  EXPECT_EQ(kept(0.80), 3u);
  EXPECT_EQ(kept(0.90), 4u);
  EXPECT_EQ(kept(1.0), 4u);
}

TEST(Sampler, min_p_is_relative_to_the_likeliest_token) {
  SamplingOptions o = plain();
  o.min_p = 0.5;
  const auto kept = Sampler(o).distribution(std::vector<float>{0.0f, -0.6f, -0.8f, 0.0f});
  ASSERT_EQ(kept.size(), 3u) << "e^-0.6 = 0.55 stays, e^-0.8 = 0.45 goes";
  EXPECT_EQ(kept[1].id, 1);
  o.min_p = 1.0;
  EXPECT_EQ(Sampler(o).distribution(std::vector<float>{0.0f, -0.6f, 0.0f}).size(), 2u);
}

TEST(Sampler, equal_logits_are_kept_by_lowest_id) {
  const std::vector<float> logits = {1, 3, 3, 3, 3, 0};
  SamplingOptions o = plain();
  o.top_k = 2;
  const auto kept = Sampler(o).distribution(logits);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].id, 1);
  EXPECT_EQ(kept[1].id, 2);
  o.top_k = 0, o.top_p = 0.4;
  const auto nucleus = Sampler(o).distribution(logits);
  ASSERT_EQ(nucleus.size(), 2u) << "each of the four weighs 0.24";
  EXPECT_EQ(nucleus[1].id, 2);
  EXPECT_EQ(Sampler(plain(0.0)).sample(logits), 1);
}

TEST(Sampler, greedy_takes_the_largest_logit_and_draws_nothing) {
  for (const double temperature : {0.0, -1.0}) {
    SamplingOptions o;
    o.temperature = temperature;
    Sampler sampler(o);
    EXPECT_EQ(sampler.sample(std::vector<float>{-5.0f, 2.0f, 2.5f, 2.5f}), 2);
    EXPECT_EQ(sampler.draws(), 0u);
  }
}

TEST(Sampler, penalties_follow_the_formula) {
  SamplingOptions o = plain();
  o.repeat_penalty = 2.0, o.presence_penalty = 0.5, o.frequency_penalty = 0.25;
  Sampler sampler(o);
  for (const std::int32_t token : {0, 0, 1}) sampler.accept(token);
  const std::map<std::int32_t, double> expected = enumerate({4.0 / 2 - 2 * 0.25 - 0.5, -1.0 * 2 - 0.25 - 0.5, 1.0}, plain());
  const auto found = sampler.distribution(std::vector<float>{4.0f, -1.0f, 1.0f});
  ASSERT_EQ(found.size(), 3u);
  for (const TokenProbability& t : found) EXPECT_NEAR(t.probability, expected.at(t.id), 1e-7);
}

TEST(Sampler, penalties_forget_tokens_beyond_the_window) {
  SamplingOptions o = plain(0.0);
  o.presence_penalty = 10, o.repeat_last_n = 2;
  Sampler sampler(o);
  const std::vector<float> logits = {3, 2, 1, 0};
  sampler.accept(0);
  EXPECT_EQ(sampler.sample(logits), 1);
  sampler.accept(1);
  EXPECT_EQ(sampler.sample(logits), 2);
  sampler.accept(2);
  EXPECT_EQ(sampler.sample(logits), 0) << "token 0 left the window of two";
  sampler.reset();
  EXPECT_EQ(sampler.sample(logits), 0);

  o.repeat_last_n = 0;
  Sampler blind(o);
  blind.accept(0);
  EXPECT_EQ(blind.sample(logits), 0);

  o.repeat_last_n = -1;
  Sampler keen(o);
  for (int i = 0; i < 1000; ++i) keen.accept(i == 0 ? 0 : 1);
  EXPECT_EQ(keen.sample(logits), 2);
}

TEST(Sampler, tokens_outside_the_vocabulary_are_no_harm_to_penalties) {
  SamplingOptions o = plain(0.0);
  o.presence_penalty = 10;
  Sampler sampler(o);
  for (const std::int32_t token : {-1, 99, std::numeric_limits<std::int32_t>::min()}) sampler.accept(token);
  EXPECT_EQ(sampler.sample(std::vector<float>{1.0f, 2.0f}), 1);
}

// Pearson's statistic of n draws, and how many cells there were.
double chi_square(const SamplingOptions& o, const std::vector<float>& logits, int n) {
  Sampler sampler(o);
  const std::vector<TokenProbability> expected = sampler.distribution(logits);
  std::map<std::int32_t, int> counts;
  for (int i = 0; i < n; ++i) ++counts[sampler.sample(logits)];
  double sum = 0;
  int seen = 0;
  for (const TokenProbability& t : expected) {
    const double e = t.probability * n;
    sum += (counts[t.id] - e) * (counts[t.id] - e) / e;
    seen += counts[t.id];
  }
  EXPECT_EQ(seen, n) << "a token outside the distribution was drawn";
  return sum;
}

TEST(Sampler, draws_follow_the_distribution) {
  const std::vector<float> logits = random_logits(8, 5, 1.5f);
  // 7 degrees of freedom: the statistic is below 24.3 with probability 0.999. Fixed seeds: this cannot fail by chance later.
  for (const std::uint64_t seed : {0u, 1u, 2u, 12345u}) {
    SamplingOptions o = plain();
    o.seed = seed;
    EXPECT_LT(chi_square(o, logits, 20000), 24.3) << "seed " << seed;
  }
  SamplingOptions o;
  o.top_k = 5, o.top_p = 1, o.min_p = 0;
  EXPECT_LT(chi_square(o, random_logits(500, 6), 20000), 18.5) << "4 degrees of freedom";
}

TEST(Sampler, seeded_runs_repeat_and_seeds_differ) {
  const std::vector<float> logits = random_logits(1000, 7);
  const auto run = [&](std::uint64_t seed) {
    SamplingOptions o = plain();
    o.seed = seed;
    Sampler sampler(o);
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 20; ++i) tokens.push_back(sampler.sample(logits));
    return tokens;
  };
  EXPECT_EQ(run(3), run(3));
  EXPECT_NE(run(3), run(4));
  EXPECT_NE(run(0), run(std::numeric_limits<std::uint64_t>::max()));
}

TEST(Sampler, first_draws_are_those_of_the_documented_generator) {
  // SplitMix64 from state 0 begins 0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f: 0.8833, 0.4315, 0.0264.
  const std::vector<float> uniform(1000, 0.0f);
  Sampler sampler(plain());
  EXPECT_EQ(sampler.sample(uniform), 883);
  EXPECT_EQ(sampler.sample(uniform), 431);
  EXPECT_EQ(sampler.sample(uniform), 26);
  Sampler later(plain());
  later.set_draws(2);
  EXPECT_EQ(later.sample(uniform), 26) << "a run continues where it stopped";
}

TEST(Sampler, impossible_logits_are_survived) {
  for (SamplingOptions o : {SamplingOptions{}, plain(), plain(0.0)}) {
    Sampler sampler(o);
    EXPECT_EQ(sampler.sample(std::vector<float>{kNan, kNan}), 0);
    EXPECT_EQ(sampler.sample(std::vector<float>{-kInf, -kInf, -kInf}), 0);
    EXPECT_EQ(sampler.sample(std::vector<float>{kNan, -kInf, 1.0f, kNan}), 2);
    EXPECT_EQ(sampler.sample(std::vector<float>{5.0f, kInf, 3.0f}), 1);
    EXPECT_EQ(sampler.sample(std::vector<float>{-3.4e38f, -kInf}), 0);
    EXPECT_EQ(sampler.sample(std::vector<float>{3.4e38f, -3.4e38f}), 0);
    for (int i = 0; i < 50; ++i) EXPECT_NE(sampler.sample(std::vector<float>{0.0f, -kInf, kNan, 0.0f}), 1);
  }
  const auto both = Sampler(plain()).distribution(std::vector<float>{kInf, 0.0f, kInf});
  ASSERT_EQ(both.size(), 3u);
  EXPECT_EQ(both[0].probability, 0.5);
  EXPECT_EQ(both[1].probability, 0.0);
  EXPECT_EQ(Sampler(SamplingOptions{}).distribution(std::vector<float>{kInf, 0.0f, kInf}).size(), 2u);
  SamplingOptions harsh = plain();
  harsh.repeat_penalty = 1e308;
  Sampler sampler(harsh);
  for (const std::int32_t token : {0, 1, 2}) sampler.accept(token);
  const std::int32_t drawn = sampler.sample(std::vector<float>{kInf, -1.0f, 0.0f});
  EXPECT_TRUE(drawn == 0 || drawn == 2);
}

TEST(Sampler, extreme_temperatures_stay_distributions) {
  const std::vector<float> logits = random_logits(50, 9);
  for (const double temperature : {1e-300, 1e-9, 1e9, 1e300}) {
    double sum = 0;
    for (const TokenProbability& t : Sampler(plain(temperature)).distribution(logits)) {
      EXPECT_GE(t.probability, 0);
      sum += t.probability;
    }
    EXPECT_NEAR(sum, 1, 1e-12) << temperature;
  }
  const auto best = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  EXPECT_EQ(Sampler(plain(1e-9)).sample(logits), best);
}

TEST(Sampler, options_out_of_range_are_refused) {
  const auto refused = [](auto change) {
    SamplingOptions o;
    change(o);
    return validate(o).code() == StatusCode::invalid_argument;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(refused([&](SamplingOptions& o) { o.temperature = nan; }));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.temperature = std::numeric_limits<double>::infinity(); }));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.top_p = 1.1; }));
  EXPECT_TRUE(refused([&](SamplingOptions& o) { o.top_p = nan; }));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.min_p = -0.1; }));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.repeat_penalty = 0; }));
  EXPECT_TRUE(refused([&](SamplingOptions& o) { o.repeat_penalty = nan; }));
  EXPECT_TRUE(refused([&](SamplingOptions& o) { o.presence_penalty = nan; }));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.frequency_penalty = std::numeric_limits<double>::infinity(); }));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.repeat_last_n = -2; }));
  EXPECT_FALSE(refused([](SamplingOptions& o) { o.top_k = -5; }));
}

TEST(Sampler, portable_exp_is_exact_to_two_ulp) {
  for (double x = -744; x <= 0; x += 0.37) {
    const double e = std::exp(x);
    EXPECT_LE(std::fabs(portable_exp(x) - e), 2 * (std::nextafter(e, 2) - e)) << x;
  }
  EXPECT_EQ(portable_exp(0), 1);
  EXPECT_EQ(portable_exp(-1e300), 0);
  EXPECT_EQ(portable_exp(-std::numeric_limits<double>::infinity()), 0);
}

TEST(Sampler, ordered_logits_cost_no_more_than_random_ones) {
  // Partitioning that degraded to quadratic would need minutes here.
  std::vector<float> rising(200000);
  for (std::size_t i = 0; i < rising.size(); ++i) rising[i] = 1e-5f * static_cast<float>(i);
  SamplingOptions o = plain();
  o.top_p = 0.9;
  const auto start = std::chrono::steady_clock::now();
  Sampler sampler(o);
  for (int i = 0; i < 3; ++i) (void)sampler.sample(rising);
  (void)sampler.sample(std::vector<float>(200000, 1.0f));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

}  // namespace
}  // namespace jang::engine
