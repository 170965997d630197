// SPDX-License-Identifier: Apache-2.0
// Texts of two models, of jang/eval.h.
#include <utility>

#include <fmt/format.h>

#include "api/access.h"
#include "base/clock.h"
#include "engine/wider_cache.h"
#include "eval/engine_model.h"
#include "eval/generation.h"
#include "jang/eval.h"

namespace jang {
namespace {

constexpr std::int64_t kMaxTexts = 1 << 16, kMaxTokens = 1 << 20;

using Texts = std::vector<eval::SampledText>;
using Continuations = std::vector<std::vector<std::int32_t>>;
using Prompts = std::vector<std::vector<std::int32_t>>;

Status check(const Model& model, const Model& source, const TextSampleOptions& o) {
  const auto outside = [](std::int64_t n, std::int64_t least, std::int64_t most) { return n < least || n > most; };
  if (outside(o.n_texts, 1, kMaxTexts) || outside(o.max_tokens, 1, kMaxTokens))
    return {StatusCode::invalid_argument, fmt::format("{} texts of {} tokens cannot be sampled", o.n_texts, o.max_tokens)};
  if (outside(o.n_prompts, 0, kMaxTexts) || outside(o.prompt_tokens, 1, kMaxTokens) || outside(o.greedy_tokens, 1, kMaxTokens))
    return {StatusCode::invalid_argument, "prompts of greedy continuations need at least one token, and so do the continuations"};
  if (model.vocab_size() != source.vocab_size())
    return {StatusCode::invalid_argument,
            fmt::format("the model has {} tokens and the source {}: their texts do not compare", model.vocab_size(), source.vocab_size())};
  return {};
}

// Begin token and beginnings of texts.
Prompts prompts_of(const Texts& texts, std::int32_t begin, const TextSampleOptions& o) {
  Prompts prompts;
  for (const eval::SampledText& text : texts) {
    if (static_cast<std::int64_t>(prompts.size()) == o.n_prompts) break;
    if (static_cast<std::int64_t>(text.tokens.size()) < o.prompt_tokens) continue;
    prompts.push_back({begin});
    prompts.back().insert(prompts.back().end(), text.tokens.begin(), text.tokens.begin() + o.prompt_tokens);
  }
  return prompts;
}

// Work with the model, once more with a wider cache where one is wanted.
template <typename Work>
auto with_model(const Model& model, Observer& observer, const Work& work) {
  return engine::with_wider_cache([&](std::string_view note) { observer.info(note); },
                                  [&](std::optional<kernels::KvType> kv_type) {
                                    eval::EngineModel language_model(Access::engine(model), kv_type);
                                    return work(language_model);
                                  });
}

}  // namespace

Result<GenerationReport> compare_texts(const Model& model, const Model& source, const TextSampleOptions& o, const EvalOptions& how) {
  SilentObserver silent;
  Observer& observer = how.observer != nullptr ? *how.observer : silent;
  JANG_TRY(check(model, source, o));
  engine::Engine& reference = Access::engine(source);
  JANG_ASSIGN(const std::int32_t start, eval::start_token(reference));
  eval::SampleOptions sample;
  sample.n_texts = o.n_texts;
  sample.max_tokens = o.max_tokens;
  sample.seed = o.seed;
  sample.begin_token = std::max(start, std::int32_t{0});
  sample.end_tokens = reference.stop_ids();
  sample.observer = &observer;
  sample.cancel = how.cancel;
  observer.count("tokens");
  const auto began = Clock::now();
  Texts texts[2];
  Continuations greedy[2];
  Prompts prompts;
  for (const int which : {0, 1}) {
    const Model& writer = which == 0 ? source : model;
    JANG_ASSIGN(texts[which], with_model(writer, observer, [&](eval::LanguageModel& m) { return eval::sample_texts(m, sample); }));
    if (which == 0) prompts = prompts_of(texts[0], sample.begin_token, o);
    JANG_ASSIGN(greedy[which], with_model(writer, observer, [&](eval::LanguageModel& m) {
                  return eval::continue_greedily(m, prompts, o.greedy_tokens, how.cancel);
                }));
  }
  GenerationReport report;
  report.seconds = seconds_since(began);
  report.generation = eval::compare_generation(texts[0], texts[1], greedy[0], greedy[1]);
  json::Value document = json::Value::object();
  eval::add_to_json(report.generation, &document);
  report.document = json::dump(document);
  return report;
}

}  // namespace jang
