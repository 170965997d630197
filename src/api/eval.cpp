// SPDX-License-Identifier: Apache-2.0
// See the header: windows of a text scored by one model or two. Questions are in tasks.cpp.
#include "jang/eval.h"

#include <string>
#include <vector>

#include "api/access.h"
#include "base/clock.h"
#include "engine/wider_cache.h"
#include "eval/divergence.h"
#include "eval/engine_model.h"
#include "eval/perplexity.h"
#include "eval/score_log.h"
#include "eval/weight_gain.h"
#include "eval/windows.h"
#include "experiment/line_log.h"

namespace jang {
namespace {

// A text as the tokenizer of `engine` sees it, cut into windows.
struct Text {
  eval::Protocol protocol;
  eval::TokenStream stream;
  std::vector<eval::Window> windows;

  static Result<Text> read(const engine::Engine& engine, const TextOptions& options) {
    Text text;
    JANG_ASSIGN(text.protocol, eval::make_protocol(options.protocol, options.context, options.stride));
    JANG_ASSIGN(text.stream, eval::read_token_stream(engine, options.file, options.max_tokens));
    JANG_ASSIGN(text.windows, eval::make_windows(static_cast<std::int64_t>(text.stream.tokens.size()), text.protocol));
    return text;
  }
  [[nodiscard]] eval::TextWindows view() const { return {stream.tokens, windows, protocol.begin_each ? stream.begin_token : -1}; }
  [[nodiscard]] TextFacts facts() const {
    return {protocol.name, protocol.ctx, protocol.stride, static_cast<std::int64_t>(windows.size())};
  }
};

eval::ScoreOptions score_options(const EvalOptions& options, Observer& observer) {
  observer.count("tokens");
  eval::ScoreOptions score;
  score.observer = &observer;
  score.cancel = options.cancel;
  return score;
}

Status write_log(const EvalOptions& options, const std::vector<eval::WindowScores>& scores) {
  if (options.log_file.empty()) return {};
  std::string lines;
  for (const eval::WindowScores& s : scores) lines += eval::score_line(s);
  return experiment::replace_text(options.log_file, lines);
}

// Scores with the model: score(language model), a Result; once more with a wider cache where one is wanted.
template <typename Score>
auto score_with(const Model& model, Observer& observer, const Score& score) {
  return engine::with_wider_cache([&](std::string_view note) { observer.info(note); },
                                  [&](std::optional<kernels::KvType> kv_type) {
                                    eval::EngineModel language_model(Access::engine(model), kv_type);
                                    return score(language_model);
                                  });
}

}  // namespace

Result<PerplexityReport> measure_perplexity(const Model& model, const TextOptions& options, const EvalOptions& how) {
  SilentObserver silent;
  Observer& observer = how.observer != nullptr ? *how.observer : silent;
  JANG_ASSIGN(const Text text, Text::read(Access::engine(model), options));
  const Clock::time_point start = Clock::now();
  JANG_ASSIGN(const std::vector<eval::WindowScores> scores, score_with(model, observer, [&](eval::LanguageModel& m) {
                return eval::measure_perplexity(m, text.view(), score_options(how, observer));
              }));
  PerplexityReport report;
  report.seconds = seconds_since(start);
  JANG_TRY(write_log(how, scores));
  report.perplexity = eval::perplexity_of(eval::all_nll(scores));
  report.text = text.facts();
  json::Value document = json::Value::object();
  eval::add_to_json(report.perplexity, &document);
  report.document = json::dump(document);
  return report;
}

Result<DivergenceReport> measure_divergence(const Model& model, const Model& source, const TextOptions& options, const EvalOptions& how) {
  SilentObserver silent;
  Observer& observer = how.observer != nullptr ? *how.observer : silent;
  JANG_ASSIGN(const Text text, Text::read(Access::engine(source), options));
  eval::EngineModel reference(Access::engine(source));
  const Clock::time_point start = Clock::now();
  JANG_ASSIGN(const eval::DivergenceScores scores, score_with(model, observer, [&](eval::LanguageModel& m) {
                return eval::measure_divergence(reference, m, text.view(), score_options(how, observer));
              }));
  DivergenceReport report;
  JANG_ASSIGN(report.gains, eval::weight_gains(Access::engine(source), Access::engine(model), how.cancel));
  report.seconds = seconds_since(start);
  JANG_TRY(write_log(how, scores.model));
  report.divergence = eval::divergence_of(scores.reference, scores.model);
  report.text = text.facts();
  json::Value document = json::Value::object();
  eval::add_to_json(report.divergence, &document);
  eval::add_to_json(report.gains, &document);
  report.document = json::dump(document);
  return report;
}

}  // namespace jang
