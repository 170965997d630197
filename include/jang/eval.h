// SPDX-License-Identifier: Apache-2.0
// Quality of one model: perplexity, divergence from its source, multiple choice. A model to be measured is best opened with exact
// arithmetic.
//
// Reports hold a JSON object with the figures, for programs. The observer is told of ticks, which count tokens or items, and of no phase:
// opening models and measuring them are steps of the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jang/export.h"
#include "jang/measures.h"
#include "jang/model.h"
#include "jang/observer.h"
#include "jang/status.h"

namespace jang {

// A text and how it is cut into windows. Values of different protocols never compare.
struct TextOptions {
  std::string file = {};                     // or a pipe; "-": standard input
  std::string protocol = "windows";          // "windows", "gptq", "llama.cpp", "sliding": see docs/guide.md
  std::optional<std::int64_t> context = {};  // tokens of a window, where it is not the protocol's own
  std::optional<std::int64_t> stride = {};   // of protocol sliding
  std::int64_t max_tokens = 0;               // of the text; 0: all
};

struct TextFacts {
  std::string protocol;
  std::int64_t context = 0, stride = 0, n_windows = 0;
};

struct EvalOptions {
  std::string log_file = {};  // scores by window or item, as JSON lines; empty: none
  Observer* observer = nullptr;
  const CancelFlag* cancel = nullptr;
};

struct PerplexityReport {
  Perplexity perplexity;
  TextFacts text;
  double seconds = 0;
  std::string document;
};
// Errors: invalid_argument (protocol; a text shorter than a window), those of reading and of the model, cancelled.
[[nodiscard]] JANG_API Result<PerplexityReport> measure_perplexity(const Model& model, const TextOptions& text,
                                                                   const EvalOptions& options = {});

struct DivergenceReport {
  Divergence divergence;
  std::vector<RoleGain> gains;  // in the order of the model
  TextFacts text;
  double seconds = 0;
  std::string document;
};
// Runs both models side by side; the text is tokenized by `source`. Errors: those of measure_perplexity; invalid_argument (vocabularies).
[[nodiscard]] JANG_API Result<DivergenceReport> measure_divergence(const Model& model, const Model& source, const TextOptions& text,
                                                                   const EvalOptions& options = {});

struct TextSampleOptions {
  std::int64_t n_texts = 128, max_tokens = 256;  // sampled from each model at temperature 1, the draws of both alike
  std::uint64_t seed = 1;
  // Beginnings of the source's texts, which both continue without chance.
  std::int64_t n_prompts = 64, prompt_tokens = 16, greedy_tokens = 64;
};

struct GenerationReport {
  Generation generation;
  double seconds = 0;
  std::string document;
};
// What the model writes beside what its source writes: how many texts repeat themselves or end by themselves, and how far greedy
// continuations agree. Errors: invalid_argument (counts; vocabularies), those of the models, cancelled.
[[nodiscard]] JANG_API Result<GenerationReport> compare_texts(const Model& model, const Model& source, const TextSampleOptions& texts = {},
                                                              const EvalOptions& options = {});

struct MmluOptions {
  std::string directory = {};  // DIR/test/<subject>_test.csv and, for shots, DIR/dev/<subject>_dev.csv
  bool first_200 = false;      // the first 20 questions of ten named subjects
  int shots = 0;               // examples before every question, as many as fit the context
};

struct TaskReport {
  TaskSummary summary;
  std::optional<Comparison> against;  // with the log of another model
  std::optional<double> mean_shots;   // that fitted
  double seconds = 0;
  std::string document;
};
// `against`: the log that another model left on the same questions; empty: none. Errors: those of reading, corrupt (naming the line),
// invalid_argument (a log of other questions), those of the model, cancelled.
[[nodiscard]] JANG_API Result<TaskReport> answer_mmlu(const Model& model, const MmluOptions& mmlu, const std::string& against = {},
                                                      const EvalOptions& options = {});
// Questions from JSON lines: {"context", "choices", "answer"}, {"text"} or {"context", "continuation"}.
[[nodiscard]] JANG_API Result<TaskReport> answer_choices(const Model& model, const std::string& file, const std::string& against = {},
                                                         const EvalOptions& options = {});

}  // namespace jang
