// SPDX-License-Identifier: Apache-2.0
// Perplexity: exp of the mean negative log-likelihood over the scored tokens of all windows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/scoring.h"
#include "eval/statistics.h"
#include "jang/measures.h"
#include "json/json.h"

namespace jang::eval {

using jang::Perplexity;

// One list of the scored tokens' values, windows in order.
[[nodiscard]] std::vector<double> all_nll(std::span<const WindowScores> windows);

[[nodiscard]] Perplexity perplexity_of(std::span<const double> nll);

// Keys `perplexity`, `stderr` (of the perplexity), `nll`, `nll_stderr`, `tokens` (scored ones). Values that are not finite become null.
void add_to_json(const Perplexity& perplexity, json::Value* object);

// Scores the windows with one model.
[[nodiscard]] Result<std::vector<WindowScores>> measure_perplexity(LanguageModel& model, const TextWindows& text,
                                                                   const ScoreOptions& options);

}  // namespace jang::eval
