// SPDX-License-Identifier: Apache-2.0
// Logits to the next token. Names, defaults and order of steps are llama.cpp's: penalties, top_k, top_p, min_p, temperature, draw.
//
// With l the logits after penalties, p the softmax of the candidates that are left:
//   penalties   for a token seen c > 0 times among the last repeat_last_n: l = l > 0 ? l / repeat_penalty : l * repeat_penalty,
//               then l -= c * frequency_penalty + presence_penalty
//   top_k       the k largest l
//   top_p       the fewest tokens, largest first, whose p adds up to top_p or more
//   min_p       those with p >= min_p * max p
//   temperature p = softmax(l / temperature); temperature <= 0: the largest l, after penalties, and nothing is drawn
// Of equal logits the lowest id comes first, everywhere. Logits are fit for use (check_logits.h); all the same NaN counts as -infinity, and
// a token at -infinity is never drawn unless all are: then token 0 is the answer.
//
// Seeded runs repeat: same options, same logits, same calls give the same tokens on every platform. Draw number i of a run is the output
// function of SplitMix64 (Steele, Lea, Flood 2014) at state seed + (i + 1) * 0x9e3779b97f4a7c15, its upper 53 bits over 2^53; exponentials
// are computed here (portable_exp), sums are exact or in order of ids, and no std:: distribution is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "jang/generation.h"
#include "jang/status.h"

namespace jang::engine {

using jang::SamplingOptions;

// Errors: invalid_argument, naming the option and its range.
[[nodiscard]] Status validate(const SamplingOptions& options);

struct TokenProbability {
  std::int32_t id = 0;
  double probability = 0;
};

// Not thread safe. Precondition: validate(options).ok().
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options) {}

  // The next token for these logits (one per id of the vocabulary). Does not record it. O(vocabulary). Precondition: logits not empty.
  [[nodiscard]] std::int32_t sample(std::span<const float> logits);
  // Records a token for the penalties: generated ones, and those of the prompt where they should count.
  void accept(std::int32_t token);
  // What sample() draws from: the tokens left after every step, in order of ids, with probabilities that add up to 1. Draws nothing.
  [[nodiscard]] std::vector<TokenProbability> distribution(std::span<const float> logits);

  [[nodiscard]] const SamplingOptions& options() const { return options_; }
  // Draws made so far; setting it continues a run that was interrupted.
  [[nodiscard]] std::uint64_t draws() const { return draws_; }
  void set_draws(std::uint64_t draws) { draws_ = draws; }
  // Forgets accepted tokens; the draws go on.
  void forget();
  // Forgets accepted tokens and draws.
  void reset();

 private:
  struct Candidate {
    float logit = 0;
    std::int32_t id = 0;
  };

  void load(std::span<const float> logits);
  void apply_penalties();
  void keep_top_k();
  void keep_top_p();
  void keep_min_p();
  [[nodiscard]] double largest() const;
  [[nodiscard]] double next_uniform();
  // `a` is a better choice than `b`.
  [[nodiscard]] static bool before(const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  }
  void keep_until(const Candidate& last);

  SamplingOptions options_;
  std::uint64_t draws_ = 0;
  std::deque<std::int32_t> recent_;
  std::unordered_map<std::int32_t, std::int32_t> counts_;  // of the tokens in recent_
  std::vector<Candidate> candidates_, scratch_;            // candidates_ in order of ids
};

// e^x to within 2 ulp for x <= 0, the same bits everywhere: additions and multiplications only. 0 below about -745.
[[nodiscard]] double portable_exp(double x);

}  // namespace jang::engine
