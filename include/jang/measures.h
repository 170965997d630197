// SPDX-License-Identifier: Apache-2.0
// What measurements of quality say, as plain values. Errors of means treat tokens as independent: they are lower bounds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace jang {

struct Interval {
  double low = 0, high = 0;
};

struct Mean {
  double mean = 0;
  double standard_error = 0;  // sample standard deviation over sqrt(n); 0 when n < 2
  std::int64_t n = 0;
};

struct Estimate {
  double value = 0, standard_error = 0;
};

struct Perplexity {
  Mean nll;             // nats per scored token
  Estimate perplexity;  // exp(nll.mean), error to first order
};

struct PercentileRow {
  std::string_view key;  // in JSON
  double percent;
};
inline constexpr std::array<PercentileRow, 6> kKldPercentiles = {
    {{"50", 50}, {"90", 90}, {"95", 95}, {"99", 99}, {"99.9", 99.9}, {"max", 100}}};

// Of a model from its source on the same tokens.
struct Divergence {
  Mean kld;                                                  // KL(source || model), nats per scored token
  std::array<double, kKldPercentiles.size()> percentiles{};  // NaN where a value is not finite
  std::int64_t n_same = 0, n = 0, n_not_finite = 0;          // same: both would say the same token
  Interval same;                                             // 95 % interval of n_same / n
  Perplexity reference, model;
  Estimate ratio;  // perplexity of the model over that of the reference, paired
};

// <w, q> / <w, w> over the weights of a role, w those of the source, q those of the model: 1 where their length is kept.
struct RoleGain {
  std::string role;  // "attn_q"
  double gain = 1;
};

struct Accuracy {
  std::int64_t correct = 0, n = 0;
  Interval interval;  // 95 %
  [[nodiscard]] double value() const { return n == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(n); }
};

struct Share {
  std::int64_t count = 0, n = 0;
  Interval interval;  // 95 %
  [[nodiscard]] double value() const { return n == 0 ? 0 : static_cast<double>(count) / static_cast<double>(n); }
};

// Texts that a model wrote. Distinct 4-grams: those that differ over all runs of four tokens of a text, distinct-4 (Li et al. 2016,
// arXiv 1510.03055) taken text by text, or 1 minus seq-rep-4 (Welleck et al. 2020, arXiv 1908.04319).
struct GeneratedTexts {
  Share repeating;  // with under half of their 4-grams distinct
  Share ended;      // by themselves
  Mean length;      // tokens
  Mean distinct;    // share of distinct 4-grams
};

// What a model writes beside what its source writes.
struct Generation {
  GeneratedTexts source, model;
  double repeating_p = 1, ended_p = 1;  // exact McNemar tests, text by text
  Mean length_change, distinct_change;  // of the model's text less the source's of the same draws
  Mean greedy_common;                   // tokens that continuations of the same prompts have in common, from their beginning
  Share identical;                      // continuations
  std::int64_t greedy_tokens = 0;       // of a continuation
};

struct TaskSummary {
  Accuracy raw, normalised;  // micro averages: every item counts once
  struct Subject {
    std::string name;
    Accuracy raw;
  };
  std::vector<Subject> subjects;            // in order of first appearance; empty names left out
  std::optional<Estimate> word_perplexity;  // last-word items: exp of the mean negative log-likelihood per item
  std::int64_t n_cut = 0;
};

// Exact McNemar test between two models on the same items.
struct Comparison {
  std::int64_t only_first = 0, only_second = 0;  // discordant pairs: the first right and the second wrong, and the other way round
  std::int64_t both = 0, neither = 0;
  double p = 1;
};

}  // namespace jang
