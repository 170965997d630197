// SPDX-License-Identifier: Apache-2.0
// A model as evaluation sees it: tokens go in, hidden states come out, and logits are made of those rows only that are scored, because a
// vocabulary of 262,144 makes 1 MB of logits per token. engine_model.h puts an engine behind this; tests put exact toys.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "jang/status.h"

namespace jang::eval {

// Tokens a model has seen, with what it remembers of them.
class Context {
 public:
  virtual ~Context() = default;
  // A copy that continues on its own: shared prefixes.
  [[nodiscard]] virtual std::unique_ptr<Context> clone() const = 0;
};

// `tokens` to be appended to `context`. A batch has each context at most once and no empty run.
struct Extension {
  Context* context = nullptr;
  std::span<const std::int32_t> tokens;
};

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  [[nodiscard]] virtual std::int64_t vocab_size() const = 0;
  [[nodiscard]] virtual std::int64_t hidden_size() const = 0;
  // Positions the model was made for; 0 = no limit known.
  [[nodiscard]] virtual std::int64_t max_context() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Context> new_context() const = 0;
  // Runs all extensions as one batch; `hidden` [sum of tokens, hidden_size] in their order. Errors: out_of_memory, invalid_argument (a
  // token out of the vocabulary), those of Engine::forward.
  [[nodiscard]] virtual Status extend(std::span<const Extension> batch, std::vector<float>* hidden) = 0;
  // logits [n, vocab_size] of n rows of hidden states, fit for use. Errors: corrupt (engine/check_logits.h).
  [[nodiscard]] virtual Status logits(const float* hidden, std::int64_t n, float* out) = 0;
  [[nodiscard]] virtual ThreadPool& pool() = 0;
};

// Rows of logits computed at a time: about 2^23 values, at least 16 rows so that reading the head's weights pays, at most 128.
[[nodiscard]] constexpr std::int64_t logit_rows(std::int64_t vocab_size) {
  const std::int64_t rows = (std::int64_t{1} << 23) / (vocab_size > 0 ? vocab_size : 1);
  return rows < 16 ? 16 : rows > 128 ? 128 : rows;
}

}  // namespace jang::eval
