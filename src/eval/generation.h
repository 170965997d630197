// SPDX-License-Identifier: Apache-2.0
// What a model writes, beside what its source writes: texts sampled from nothing, and continuations without chance. Divergence is a mean
// over positions of given text; a model can be close there and still fall into loops when it goes on from its own words.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/log.h"
#include "eval/language_model.h"
#include "jang/measures.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::eval {

using jang::GeneratedTexts;
using jang::Generation;

// A text under this share of distinct 4-grams repeats itself.
inline constexpr double kRepeatingBelow = 0.5;

struct SampleOptions {
  std::int64_t n_texts = 128, max_tokens = 256;
  std::uint64_t seed = 1;
  std::int32_t begin_token = 0;            // what every text begins with
  std::vector<std::int32_t> end_tokens{};  // what ends it
  std::int64_t texts_at_a_time = 64;       // bounds the memory; does not change a text
  Observer* observer = nullptr;            // ticks count tokens
  const CancelFlag* cancel = nullptr;
};

struct SampledText {
  std::vector<std::int32_t> tokens;  // without begin and end token
  bool ended = false;                // by itself, before max_tokens
};

// Texts at temperature 1 over the whole vocabulary. The draw at a position depends on seed, text and position only (engine/counter_draw.h):
// two models that agree write the same. Errors: cancelled; corrupt (logits that cannot be used), those of the forward.
[[nodiscard]] Result<std::vector<SampledText>> sample_texts(LanguageModel& model, const SampleOptions& options);

// What each prompt is continued with, the likeliest token at every step, the lower id first when equal; all of equal length n. No prompt
// is empty. Errors: those of sample_texts.
[[nodiscard]] Result<std::vector<std::vector<std::int32_t>>> continue_greedily(LanguageModel& model,
                                                                               std::span<const std::vector<std::int32_t>> prompts,
                                                                               std::int64_t n, const CancelFlag* cancel = nullptr);

// Distinct 4-grams over all of them (jang/measures.h); 1 for a text shorter than five.
[[nodiscard]] double distinct_four_grams(std::span<const std::int32_t> tokens);

[[nodiscard]] GeneratedTexts summarize_texts(std::span<const SampledText> texts);
// Tokens both begin with, a mean over the pairs. Precondition: equally many, of equal length.
[[nodiscard]] Mean common_beginning(std::span<const std::vector<std::int32_t>> a, std::span<const std::vector<std::int32_t>> b);
// Everything of two models. Precondition: as many texts and continuations of each.
[[nodiscard]] Generation compare_generation(std::span<const SampledText> source, std::span<const SampledText> model,
                                            std::span<const std::vector<std::int32_t>> source_greedy,
                                            std::span<const std::vector<std::int32_t>> model_greedy);

// Keys `source_texts`, `model_texts` (each `texts`, `repeating`, `repeating_interval`, `ended`, `ended_interval`, `mean_length`,
// `distinct_4grams`), `repeating_p`, `ended_p` (exact McNemar), `length_change`, `distinct_4grams_change` (means over pairs of texts),
// `greedy_prompts`, `greedy_tokens`, `greedy_common`, `greedy_identical`, `greedy_identical_interval`. Means have a key `.._stderr` beside
// them. Intervals are Wilson's at 95 %.
void add_to_json(const Generation& generation, json::Value* object);

}  // namespace jang::eval
