// SPDX-License-Identifier: Apache-2.0
// Divergence of a model from its source on the same tokens: KL(source || model) per token with its distribution, how often both would say
// the same token, and both perplexities with their ratio.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "eval/perplexity.h"
#include "eval/scoring.h"
#include "eval/statistics.h"
#include "jang/measures.h"
#include "json/json.h"

namespace jang::eval {

using jang::Divergence;
using jang::kKldPercentiles;

// Precondition: both have the scores of the same windows in the same order.
[[nodiscard]] Divergence divergence_of(std::span<const WindowScores> reference, std::span<const WindowScores> model);

// Keys `kld_mean`, `kld_stderr`, `kld_percentiles` (keys of kKldPercentiles), `same_top`, `same_top_interval`, `perplexity`, `nll`,
// `stderr`, `nll_stderr`, `tokens`, `ref_perplexity`, `ref_nll`, `ref_stderr`, `perplexity_ratio`, `perplexity_ratio_stderr`, `not_finite`.
void add_to_json(const Divergence& divergence, json::Value* object);

struct DivergenceScores {
  std::vector<WindowScores> reference, model;
};
// Runs both models side by side.
[[nodiscard]] Result<DivergenceScores> measure_divergence(LanguageModel& reference, LanguageModel& model, const TextWindows& text,
                                                          const ScoreOptions& options);

}  // namespace jang::eval
