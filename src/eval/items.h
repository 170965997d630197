// SPDX-License-Identifier: Apache-2.0
// What a model answered, item by item: the log that paired tests need, as JSON lines, and the summary of it.
//
//   {"item":0,"id":"...","subject":"...","answer":2,"log_likelihood":[...],"choice":1,"correct":false,"choice_norm":2,"correct_norm":true}
//
// `choice` has the largest log-likelihood, `choice_norm` the largest per code point of the choice; the lowest index wins a tie. A last-word
// item has one continuation: `correct` says that greedy decoding gives exactly it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/choice.h"
#include "eval/statistics.h"
#include "jang/measures.h"
#include "json/json.h"

namespace jang::eval {

struct ItemResult {
  std::size_t item = 0;
  std::string id, subject;
  int answer = 0;
  std::vector<double> log_likelihood;
  int choice = 0, choice_norm = 0;
  bool correct = false, correct_norm = false;
  bool cut = false;
};

[[nodiscard]] ItemResult result_of(std::size_t index, const TaskItem& item, const ItemScore& score);

// One line, with its LF.
[[nodiscard]] std::string item_line(const ItemResult& result);
// Reads a log. `complete_only`: a last line without LF, as a killed writer leaves it, is ignored; else it is read too. Items must be
// distinct. Errors: corrupt, naming the line.
[[nodiscard]] Result<std::vector<ItemResult>> parse_item_log(std::string_view text, std::string_view what, bool complete_only = false);

using jang::Accuracy;
using jang::Comparison;
using jang::TaskSummary;

[[nodiscard]] Accuracy accuracy_of(std::int64_t correct, std::int64_t n);

[[nodiscard]] TaskSummary summarize(std::span<const ItemResult> items);
// Keys `accuracy`, `accuracy_interval`, `correct`, `items`, `accuracy_norm`, `accuracy_norm_interval` (choices only), `word_perplexity`,
// `word_perplexity_stderr` (last words only), `cut`, `subjects` [{name, accuracy, interval, correct, items}].
void add_to_json(const TaskSummary& summary, json::Value* object);

// Errors: invalid_argument when the logs are not of the same items (ids and answers must agree).
[[nodiscard]] Result<Comparison> compare_items(std::span<const ItemResult> first, std::span<const ItemResult> second);
[[nodiscard]] json::Value to_json(const Comparison& comparison);

}  // namespace jang::eval
