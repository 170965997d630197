// SPDX-License-Identifier: Apache-2.0
// Items that ask how likely a model finds some continuations of a context: multiple choice (MMLU, any JSONL task) and last words (LAMBADA).
//
//   log likelihood of a continuation = sum of log p(token | everything before it), in double
//
// A continuation's tokens are those of encode(context + continuation) behind the longest run of tokens that encode(context) and all
// continuations share, so a tokenizer that joins characters across the border is scored as it really splits the text. Where the border is
// clean, which is nearly always, this is encode(context) and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "eval/language_model.h"
#include "jang/status.h"

namespace jang::eval {

struct TaskItem {
  std::string id, subject;  // both may be empty
  std::string context;
  std::vector<std::string> continuations;  // appended to the context as they are; one for a last-word item
  std::vector<std::int64_t> lengths;       // of the choices in code points, for normalisation
  int answer = 0;                          // index into continuations
};

using Tokens = std::vector<std::int32_t>;
// Text to tokens, a begin token in front where the tokenizer adds one.
using Encode = std::function<Result<Tokens>(std::string_view)>;

struct TokenItem {
  Tokens prefix;                      // never empty
  std::vector<Tokens> continuations;  // none empty
  bool cut = false;                   // tokens were dropped from the left to fit max_context
};

// `start_token` stands in for an empty prefix (a text scored from its first token on); -1: there is none. max_context 0: no limit.
// Errors: those of encode, invalid_argument (nothing to score: a continuation adds no token; an empty prefix without start token).
[[nodiscard]] Result<TokenItem> tokenize_item(const TaskItem& item, const Encode& encode, std::int32_t start_token,
                                              std::int64_t max_context);

struct ItemScore {
  std::vector<double> log_likelihood;  // per continuation
  std::vector<std::uint8_t> greedy;    // 1: every token of it is the most likely one at its place
  bool cut = false;
};

struct TaskOptions {
  std::int64_t tokens_per_step = 2048;  // about; at least one item
  // Prefixes of neighbouring items that begin with at least this many equal tokens run through the shared part once (few-shot headers).
  std::int64_t min_shared = 32;
  Observer* observer = nullptr;        // ticks count items; may be null
  const CancelFlag* cancel = nullptr;  // may be null
  std::int64_t ticks_done = 0, ticks_total = 0;
};

// Scores in order of items. Precondition of TokenItem as made by tokenize_item. Errors: invalid_argument (a token out of the vocabulary),
// those of the model and the sink, cancelled.
using ItemSink = std::function<Status(std::size_t item, ItemScore score)>;
[[nodiscard]] Status score_items(LanguageModel& model, std::span<const TokenItem> items, const TaskOptions& options, const ItemSink& sink);

}  // namespace jang::eval
