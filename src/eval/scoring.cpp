// SPDX-License-Identifier: Apache-2.0
// Steps of whole windows; inside a step, chunks of scored rows through the head of every model in turn.
#include "eval/scoring.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "base/check.h"
#include "eval/log_sum.h"

namespace jang::eval {
namespace {

struct ScoredRow {
  std::int64_t hidden = 0;   // row of the step's hidden states
  std::int32_t target = 0;   // token it should predict
  std::size_t window = 0;    // within the step
  std::size_t position = 0;  // within the window's scores
};

std::size_t arg_max(const float* x, std::int64_t n) { return static_cast<std::size_t>(std::max_element(x, x + n) - x); }

// What is kept of a reference row while the other models are compared with it.
struct ReferenceRow {
  double log_sum = 0;
  double weight_sum = 0;  // of exp(a - log_sum): 1 but for rounding
  std::size_t top = 0;
};

class ScoringStep {
 public:
  ScoringStep(LanguageModel& reference, std::span<LanguageModel* const> others, const TextWindows& text, std::size_t begin, std::size_t end)
      : text_(text), begin_(begin), end_(end), vocab_(reference.vocab_size()) {
    models_.push_back(&reference);
    models_.insert(models_.end(), others.begin(), others.end());
    collect_rows();
  }

  Status run() {
    for (LanguageModel* model : models_) JANG_TRY(run_layers(*model));
    const std::int64_t chunk = logit_rows(vocab_);
    for (std::size_t first = 0; first < rows_.size(); first += static_cast<std::size_t>(chunk)) {
      const std::span<const ScoredRow> rows(rows_.data() + first, std::min(static_cast<std::size_t>(chunk), rows_.size() - first));
      JANG_TRY(score_reference(rows));
      for (std::size_t m = 1; m < models_.size(); ++m) JANG_TRY(compare(m, rows));
    }
    return {};
  }

  Status deliver(const ScoreSink& sink) {
    for (std::size_t w = 0; w < end_ - begin_; ++w)
      for (std::size_t m = 0; m < models_.size(); ++m) JANG_TRY(sink(m, std::move(scores_[m][w])));
    return {};
  }

 private:
  void collect_rows() {
    std::int64_t hidden = 0;
    scores_.resize(models_.size());
    for (std::size_t w = begin_; w < end_; ++w) {
      const Window& window = text_.windows[w];
      for (std::int64_t t = window.first_scored; t < window.n_tokens; ++t)
        rows_.push_back({hidden + t - 1, text_.tokens[static_cast<std::size_t>(window.begin + t)], w - begin_,
                         static_cast<std::size_t>(t - window.first_scored)});
      hidden += window.n_tokens;
      const auto n = static_cast<std::size_t>(window.n_scored());
      for (std::size_t m = 0; m < models_.size(); ++m) {
        WindowScores s{w, std::vector<double>(n), {}, {}};
        if (m > 0) {
          s.kld.resize(n);
          s.same.resize(n);
        }
        scores_[m].push_back(std::move(s));
      }
    }
  }

  Status run_layers(LanguageModel& model) {
    std::vector<std::unique_ptr<Context>> contexts;
    std::vector<std::vector<std::int32_t>> replaced;
    std::vector<Extension> batch;
    replaced.reserve(end_ - begin_);  // spans point into it
    for (std::size_t w = begin_; w < end_; ++w) {
      const Window& window = text_.windows[w];
      auto tokens = text_.tokens.subspan(static_cast<std::size_t>(window.begin), static_cast<std::size_t>(window.n_tokens));
      if (text_.begin_token >= 0) {
        replaced.emplace_back(tokens.begin(), tokens.end());
        replaced.back().front() = text_.begin_token;
        tokens = replaced.back();
      }
      contexts.push_back(model.new_context());
      batch.push_back({contexts.back().get(), tokens});
    }
    hidden_.emplace_back();
    return model.extend(batch, &hidden_.back());
  }

  // Logits [rows, vocab] of the chunk's rows under model m.
  Status make_logits(std::size_t m, std::span<const ScoredRow> rows, std::vector<float>& out) {
    const auto width = static_cast<std::size_t>(models_[m]->hidden_size());
    gathered_.resize(rows.size() * width);
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::memcpy(gathered_.data() + i * width, hidden_[m].data() + static_cast<std::size_t>(rows[i].hidden) * width,
                  width * sizeof(float));
    out.resize(rows.size() * static_cast<std::size_t>(vocab_));
    return models_[m]->logits(gathered_.data(), static_cast<std::int64_t>(rows.size()), out.data());
  }

  Status score_reference(std::span<const ScoredRow> rows) {
    JANG_TRY(make_logits(0, rows, a_));
    const bool alone = models_.size() == 1;
    reference_.resize(rows.size());
    if (!alone) weights_.resize(a_.size());
    models_[0]->pool().run(static_cast<std::int64_t>(rows.size()), [&](std::int64_t i, int) {
      const auto r = static_cast<std::size_t>(i);
      const float* a = a_.data() + r * static_cast<std::size_t>(vocab_);
      ReferenceRow& kept = reference_[r];
      kept.log_sum = log_sum_exp(a, vocab_);
      scores_[0][rows[r].window].nll[rows[r].position] = kept.log_sum - static_cast<double>(a[rows[r].target]);
      if (alone) return;
      kept.top = arg_max(a, vocab_);
      double* p = weights_.data() + r * static_cast<std::size_t>(vocab_);
      double sum = 0;
      for (std::int64_t v = 0; v < vocab_; ++v) sum += p[v] = std::exp(static_cast<double>(a[v]) - kept.log_sum);
      kept.weight_sum = sum;
    });
    return {};
  }

  Status compare(std::size_t m, std::span<const ScoredRow> rows) {
    JANG_TRY(make_logits(m, rows, b_));
    models_[0]->pool().run(static_cast<std::int64_t>(rows.size()), [&](std::int64_t i, int) {
      const auto r = static_cast<std::size_t>(i);
      const std::size_t offset = r * static_cast<std::size_t>(vocab_);
      const float *a = a_.data() + offset, *b = b_.data() + offset;
      const double* p = weights_.data() + offset;
      const double log_sum = log_sum_exp(b, vocab_);
      double sum = 0;
      for (std::int64_t v = 0; v < vocab_; ++v)
        if (p[v] > 0) sum += p[v] * (static_cast<double>(a[v]) - static_cast<double>(b[v]));
      const double divergence = sum / reference_[r].weight_sum - reference_[r].log_sum + log_sum;
      WindowScores& scores = scores_[m][rows[r].window];
      scores.nll[rows[r].position] = log_sum - static_cast<double>(b[rows[r].target]);
      scores.kld[rows[r].position] = divergence < 0 ? 0 : divergence;  // a NaN stays one
      scores.same[rows[r].position] = arg_max(b, vocab_) == reference_[r].top ? 1 : 0;
    });
    return {};
  }

  const TextWindows& text_;
  std::size_t begin_, end_;
  std::int64_t vocab_;
  std::vector<LanguageModel*> models_;
  std::vector<ScoredRow> rows_;
  std::vector<std::vector<float>> hidden_;         // per model
  std::vector<std::vector<WindowScores>> scores_;  // per model and window
  std::vector<float> gathered_, a_, b_;
  std::vector<double> weights_;  // softmax of the reference's chunk
  std::vector<ReferenceRow> reference_;
};

Status check(LanguageModel& reference, std::span<LanguageModel* const> others, const TextWindows& text) {
  const std::int64_t vocab = reference.vocab_size();
  for (const LanguageModel* other : others)
    if (other->vocab_size() != vocab)
      return {StatusCode::invalid_argument,
              fmt::format("the models have vocabularies of {} and {} tokens; divergence needs the same one", vocab, other->vocab_size())};
  for (const std::int32_t token : text.tokens)
    if (token < 0 || token >= vocab)
      return {StatusCode::invalid_argument, fmt::format("the tokenizer gave token {}, the model has {}", token, vocab)};
  return {};
}

}  // namespace

Status score_windows(LanguageModel& reference, std::span<LanguageModel* const> others, const TextWindows& text, const ScoreOptions& options,
                     const ScoreSink& sink) {
  JANG_TRY(check(reference, others, text));
  std::int64_t total = options.ticks_total, done = options.ticks_done;
  if (total == 0)
    for (const Window& w : text.windows) total += w.n_tokens;
  for (std::size_t begin = 0; begin < text.windows.size();) {
    if (options.cancel && options.cancel->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "evaluation stopped"};
    std::size_t end = begin;
    std::int64_t n_tokens = 0;
    do n_tokens += text.windows[end++].n_tokens;
    while (end < text.windows.size() && n_tokens + text.windows[end].n_tokens <= options.tokens_per_step);
    ScoringStep step(reference, others, text, begin, end);
    JANG_TRY(step.run());
    JANG_TRY(step.deliver(sink));
    begin = end;
    done += n_tokens;
    if (options.observer) options.observer->tick(done, total, "tokens");
  }
  return {};
}

}  // namespace jang::eval
