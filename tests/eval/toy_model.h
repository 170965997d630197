// SPDX-License-Identifier: Apache-2.0
// A language model small enough to check by hand: the hidden state is a number made of all tokens seen, and logits are a fixed function of
// it.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "engine/check_logits.h"
#include "eval/language_model.h"

namespace jang::eval {

inline constexpr std::int64_t kVocab = 37;

class ToyModel final : public LanguageModel {
 public:
  ToyModel(std::int64_t vocab, std::uint32_t seed, double temperature = 1, int threads = 1)
      : vocab_(vocab), seed_(seed), temperature_(temperature), pool_(threads) {}

  // What the model remembers after `tokens`.
  static std::uint32_t state_after(std::span<const std::int32_t> tokens, std::uint32_t state = 17) {
    for (const std::int32_t t : tokens) state = (state * 31 + static_cast<std::uint32_t>(t) + 7) % 65521;
    return state;
  }
  // Logit of token v after this state.
  [[nodiscard]] float logit(std::uint32_t state, std::int64_t v) const {
    std::uint32_t x = state * 2654435761u + static_cast<std::uint32_t>(v) * 40503u;
    x ^= x >> 13;
    x *= 1274126177u;
    x ^= x >> 16;
    // Models of different seeds differ by a little noise on the same logits.
    std::uint32_t y = (x ^ seed_) * 2246822519u;
    y ^= y >> 15;
    const double base = static_cast<double>(x % 4096) / 512.0, noise = static_cast<double>(y % 1024) / 1024.0;
    if (seed_ == kBroken && x % 3 == 0) return std::nanf("");
    if (seed_ == kRulesOut && x % 3 == 0) return -std::numeric_limits<float>::infinity();
    return static_cast<float>((base + (seed_ == 0 ? 0 : noise)) / temperature_);
  }
  [[nodiscard]] double log_probability(std::span<const std::int32_t> prefix, std::int32_t target) const {
    const std::uint32_t state = state_after(prefix);
    double sum = 0;
    for (std::int64_t v = 0; v < vocab_; ++v) sum += std::exp(static_cast<double>(logit(state, v)));
    return static_cast<double>(logit(state, target)) - std::log(sum);
  }
  static constexpr std::uint32_t kBroken = 0xffffffff;    // some logits are NaN
  static constexpr std::uint32_t kRulesOut = 0xfffffffe;  // some logits are -infinity

  std::int64_t vocab_size() const override { return vocab_; }
  std::int64_t hidden_size() const override { return 2; }
  std::int64_t max_context() const override { return max_context_; }
  void set_max_context(std::int64_t n) { max_context_ = n; }
  std::unique_ptr<Context> new_context() const override { return std::make_unique<State>(); }
  Status extend(std::span<const Extension> batch, std::vector<float>* hidden) override {
    hidden->clear();
    ++n_steps;
    for (const Extension& e : batch) {
      auto* state = static_cast<State*>(e.context);
      for (const std::int32_t t : e.tokens) {
        state->value = state_after({&t, 1}, state->value);
        hidden->push_back(static_cast<float>(state->value));
        hidden->push_back(-1);
        ++n_tokens;
      }
    }
    return {};
  }
  Status logits(const float* hidden, std::int64_t n, float* out) override {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t v = 0; v < vocab_; ++v) out[i * vocab_ + v] = logit(static_cast<std::uint32_t>(hidden[2 * i]), v);
    return engine::check_logits({out, static_cast<std::size_t>(n * vocab_)}, vocab_);
  }
  ThreadPool& pool() override { return pool_; }

  int n_steps = 0;
  std::int64_t n_tokens = 0;

 private:
  struct State final : Context {
    std::uint32_t value = 17;
    std::unique_ptr<Context> clone() const override { return std::make_unique<State>(*this); }
  };
  std::int64_t vocab_, max_context_ = 0;
  std::uint32_t seed_;
  double temperature_;
  ThreadPool pool_;
};

inline std::vector<std::int32_t> toy_text(std::size_t n, std::int32_t vocab) {
  std::vector<std::int32_t> tokens;
  std::uint32_t x = 12345;
  while (tokens.size() < n) {
    x = x * 1664525u + 1013904223u;
    tokens.push_back(static_cast<std::int32_t>((x >> 8) % static_cast<std::uint32_t>(vocab)));
  }
  return tokens;
}

}  // namespace jang::eval
