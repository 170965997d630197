// SPDX-License-Identifier: Apache-2.0
// Scores windows of text with one model, or with several side by side against the first: the one loop behind perplexity, divergence and
// compare. Logits of a chunk of rows live only while they are compared, so there is no file of logits and memory does not grow with the
// text.
//
// Per scored token t with logits a (reference) and b (another model), lse(x) = log sum exp x, p = softmax(a), all in double:
//   nll  = lse(a) - a[t]
//   kld  = KL(reference || other) = sum_i p_i (a_i - b_i) - lse(a) + lse(b)     >= 0; rounding below 0 is set to 0
//   same = the largest logit is at the same place (the lowest index wins a tie)
//
// Deterministic: every token's values are computed alone and written to their own place, so threads and batching change nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/log.h"
#include "eval/language_model.h"
#include "eval/windows.h"
#include "jang/status.h"

namespace jang::eval {

// Values of the scored tokens of one window, in order.
struct WindowScores {
  std::size_t window = 0;          // index into the windows given
  std::vector<double> nll;         // nats
  std::vector<double> kld;         // nats; empty for the reference
  std::vector<std::uint8_t> same;  // 0 or 1; empty for the reference
};

struct ScoreOptions {
  std::int64_t tokens_per_step = 2048;           // windows run together up to this many tokens, at least one window
  Observer* observer = nullptr;                  // ticks count tokens; may be null
  const CancelFlag* cancel = nullptr;            // may be null
  std::int64_t ticks_done = 0, ticks_total = 0;  // where this call stands in a larger job; total 0: this call is the job
};

// Takes the scores of a window by model: index 0 is the reference, 1 + i is others[i]. Called in order of windows from the calling thread.
using ScoreSink = std::function<Status(std::size_t model, WindowScores scores)>;

// A window of the stream as the models see it: begin_token >= 0 replaces its first token.
struct TextWindows {
  std::span<const std::int32_t> tokens;
  std::span<const Window> windows;
  std::int32_t begin_token = -1;
};

// Errors: invalid_argument (vocabularies differ), those of the models, cancelled, those of the sink.
[[nodiscard]] Status score_windows(LanguageModel& reference, std::span<LanguageModel* const> others, const TextWindows& text,
                                   const ScoreOptions& options, const ScoreSink& sink);

}  // namespace jang::eval
