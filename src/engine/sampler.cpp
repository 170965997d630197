// SPDX-License-Identifier: Apache-2.0
// See sampler.h. Candidates stay in order of ids; each step finds the last token that stays and drops those behind it, so nothing is sorted
// and results do not depend on how the standard library partitions.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/check.h"

namespace jang::engine {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr double kWeightless = -29.0;     // e^-29 rounds to nothing in a fixed weight
constexpr std::size_t kHeapLimit = 1024;  // up to this k a heap beats partitioning

Status out_of_range(const char* name, double value, const char* range) {
  return {StatusCode::invalid_argument, fmt::format("{} is {}; it must be {}", name, value, range)};
}

// Weight of a logit relative to the largest, in [0, 1]. Equal infinities weigh the same.
double weight(double logit, double largest, double temperature) {
  if (logit == largest) return 1.0;
  return portable_exp((logit - largest) / temperature);
}

// A weight as an integer, so that sums do not depend on their order. 2^40 * 2^23 tokens fit 64 bits.
std::uint64_t fixed_weight(double w) { return static_cast<std::uint64_t>(std::floor(w * 1099511627776.0 + 0.5)); }

}  // namespace

Status validate(const SamplingOptions& o) {
  if (!std::isfinite(o.temperature)) return out_of_range("temperature", o.temperature, "a finite number");
  if (!(o.top_p >= 0 && o.top_p <= 1)) return out_of_range("top_p", o.top_p, "from 0 to 1");
  if (!(o.min_p >= 0 && o.min_p <= 1)) return out_of_range("min_p", o.min_p, "from 0 to 1");
  if (!(o.repeat_penalty > 0 && std::isfinite(o.repeat_penalty))) return out_of_range("repeat_penalty", o.repeat_penalty, "above 0");
  if (!std::isfinite(o.presence_penalty)) return out_of_range("presence_penalty", o.presence_penalty, "a finite number");
  if (!std::isfinite(o.frequency_penalty)) return out_of_range("frequency_penalty", o.frequency_penalty, "a finite number");
  if (o.repeat_last_n < -1) return out_of_range("repeat_last_n", o.repeat_last_n, "-1 (all), 0 (none) or a number of tokens");
  return {};
}

// x = n ln 2 + r, |r| <= ln 2 / 2; e^r by its series up to r^13 / 13!, the error of which is below half an ulp; ln 2 in two parts.
double portable_exp(double x) {
  if (std::isnan(x) || x < -745.2) return 0;
  if (x > 709.7) return std::numeric_limits<double>::infinity();
  constexpr double kInverseLn2 = 1.4426950408889634074, kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
  const double n = std::floor(x * kInverseLn2 + 0.5);
  const double r = (x - n * kLn2High) - n * kLn2Low;
  // 1 / k!, k = 13 ... 0
  constexpr double kSeries[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
                                1.0 / 720,        1.0 / 120,       1.0 / 24,       1.0 / 6,       1.0 / 2,      1.0,         1.0};
  double sum = 0;
  for (const double coefficient : kSeries) sum = sum * r + coefficient;
  return std::ldexp(sum, static_cast<int>(n));
}

void Sampler::accept(std::int32_t token) {
  if (options_.repeat_last_n == 0) return;
  recent_.push_back(token);
  ++counts_[token];
  if (options_.repeat_last_n < 0 || recent_.size() <= static_cast<std::size_t>(options_.repeat_last_n)) return;
  const auto oldest = counts_.find(recent_.front());
  if (--oldest->second == 0) counts_.erase(oldest);
  recent_.pop_front();
}

void Sampler::forget() {
  recent_.clear();
  counts_.clear();
}

void Sampler::reset() {
  draws_ = 0;
  forget();
}

void Sampler::load(std::span<const float> logits) {
  JANG_CHECK(!logits.empty());
  candidates_.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    candidates_[i] = {std::isnan(logits[i]) ? kNever : logits[i], static_cast<std::int32_t>(i)};
  apply_penalties();
}

void Sampler::apply_penalties() {
  if (options_.repeat_penalty == 1.0 && options_.presence_penalty == 0.0 && options_.frequency_penalty == 0.0) return;
  for (const auto& [id, count] : counts_) {
    if (id < 0 || static_cast<std::size_t>(id) >= candidates_.size()) continue;
    float& logit = candidates_[static_cast<std::size_t>(id)].logit;
    double l = logit;
    l = l > 0 ? l / options_.repeat_penalty : l * options_.repeat_penalty;
    l -= count * options_.frequency_penalty + options_.presence_penalty;
    logit = std::isnan(l) ? kNever : static_cast<float>(l);
  }
}

double Sampler::largest() const { return std::min_element(candidates_.begin(), candidates_.end(), before)->logit; }

void Sampler::keep_until(const Candidate& last) {
  const Candidate limit = last;
  std::erase_if(candidates_, [&](const Candidate& c) { return before(limit, c); });
}

void Sampler::keep_top_k() {
  if (options_.top_k <= 0 || static_cast<std::size_t>(options_.top_k) >= candidates_.size()) return;
  const auto k = static_cast<std::size_t>(options_.top_k);
  if (k > kHeapLimit) {
    scratch_ = candidates_;
    std::nth_element(scratch_.begin(), scratch_.begin() + static_cast<std::ptrdiff_t>(k - 1), scratch_.end(), before);
    keep_until(scratch_[k - 1]);
    return;
  }
  // The k best so far, the worst of them on top.
  scratch_.assign(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k));
  std::make_heap(scratch_.begin(), scratch_.end(), before);
  for (std::size_t i = k; i < candidates_.size(); ++i) {
    if (!before(candidates_[i], scratch_.front())) continue;
    std::pop_heap(scratch_.begin(), scratch_.end(), before);
    scratch_.back() = candidates_[i];
    std::push_heap(scratch_.begin(), scratch_.end(), before);
  }
  keep_until(scratch_.front());
}

// Halves the range in which the last token lies, weighing the better half each time: O(n) in all.
void Sampler::keep_top_p() {
  if (options_.top_p >= 1.0) return;
  const double top = largest();
  const auto mass = [&](auto begin, auto end) {
    std::uint64_t sum = 0;
    for (auto c = begin; c != end; ++c)
      if (c->logit == top || c->logit - top > kWeightless) sum += fixed_weight(weight(c->logit, top, 1.0));
    return sum;
  };
  const std::uint64_t total = mass(candidates_.begin(), candidates_.end());
  const auto wanted = static_cast<std::uint64_t>(std::ceil(options_.top_p * static_cast<double>(total)));
  scratch_ = candidates_;
  std::uint64_t taken = 0;  // weight of the tokens before `low`
  std::size_t low = 0, high = scratch_.size();
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    const auto at = [&](std::size_t i) { return scratch_.begin() + static_cast<std::ptrdiff_t>(i); };
    std::nth_element(at(low), at(middle), at(high), before);
    const std::uint64_t better = mass(at(low), at(middle));
    if (taken + better >= wanted) {
      high = middle;
    } else {
      taken += better;
      low = middle;
    }
  }
  keep_until(scratch_[low]);
}

void Sampler::keep_min_p() {
  if (options_.min_p <= 0.0) return;
  const double top = largest();
  std::erase_if(candidates_, [&](const Candidate& c) { return weight(c.logit, top, 1.0) < options_.min_p; });
}

std::vector<TokenProbability> Sampler::distribution(std::span<const float> logits) {
  load(logits);
  const auto best = std::min_element(candidates_.begin(), candidates_.end(), before);
  if (options_.temperature <= 0.0 || best->logit == kNever) return {{best->id, 1.0}};
  const double top = best->logit;
  std::erase_if(candidates_, [](const Candidate& c) { return c.logit == kNever; });
  keep_top_k();
  keep_top_p();
  keep_min_p();
  std::vector<TokenProbability> out;
  out.reserve(candidates_.size());
  double total = 0;
  for (const Candidate& c : candidates_) {
    out.push_back({c.id, weight(c.logit, top, options_.temperature)});
    total += out.back().probability;
  }
  for (TokenProbability& t : out) t.probability /= total;
  return out;
}

double Sampler::next_uniform() {
  std::uint64_t z = options_.seed + ++draws_ * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

std::int32_t Sampler::sample(std::span<const float> logits) {
  const std::vector<TokenProbability> tokens = distribution(logits);
  if (options_.temperature <= 0.0) return tokens.front().id;
  const double u = next_uniform();
  double cumulative = 0;
  std::int32_t last = tokens.front().id;
  for (const TokenProbability& t : tokens) {
    if (t.probability > 0) last = t.id;
    cumulative += t.probability;
    if (u < cumulative) return t.id;
  }
  return last;  // the sum fell short of 1 by rounding
}

}  // namespace jang::engine
