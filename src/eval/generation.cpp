// SPDX-License-Identifier: Apache-2.0
// Many texts at once, a token of each per forward; who has ended leaves the batch.
#include "eval/generation.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>

#include "engine/counter_draw.h"
#include "eval/log_sum.h"
#include "eval/statistics.h"
#include "kernels/host_ops.h"

namespace jang::eval {
namespace {

using jang::Share;
using Tokens = std::vector<std::int32_t>;

// One forward over some contexts; choose(batch index, logits) for each from the logits behind its last token.
template <typename Choose>
Status step(LanguageModel& model, std::span<const Extension> batch, std::vector<float>* hidden, const Choose& choose) {
  JANG_TRY(model.extend(batch, hidden));
  const std::int64_t vocab = model.vocab_size(), width = model.hidden_size(), n = static_cast<std::int64_t>(batch.size());
  std::vector<float> last;  // [n, width]
  std::int64_t row = 0;
  for (const Extension& e : batch) {
    row += static_cast<std::int64_t>(e.tokens.size());
    last.insert(last.end(), hidden->begin() + (row - 1) * width, hidden->begin() + row * width);
  }
  const std::int64_t rows = std::min(logit_rows(vocab), n);
  std::vector<float> logits(static_cast<std::size_t>(rows * vocab));
  for (std::int64_t begin = 0; begin < n; begin += rows) {
    const std::int64_t some = std::min(rows, n - begin);
    JANG_TRY(model.logits(last.data() + begin * width, some, logits.data()));
    model.pool().run(some, [&](std::int64_t i, int) {
      choose(static_cast<std::size_t>(begin + i), std::span<const float>(logits.data() + i * vocab, static_cast<std::size_t>(vocab)));
    });
  }
  return {};
}

Status check(const CancelFlag* cancel) {
  if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "sampling stopped"};
  return {};
}

// Texts [first, first + n) of all.
Status sample_some(LanguageModel& model, const SampleOptions& o, std::size_t first, std::size_t n, std::vector<SampledText>* all) {
  std::vector<std::unique_ptr<Context>> contexts;
  for (std::size_t i = 0; i < n; ++i) contexts.push_back(model.new_context());
  Tokens next(n, o.begin_token);
  std::vector<float> hidden;
  for (std::int64_t t = 0; t < o.max_tokens; ++t) {
    JANG_TRY(check(o.cancel));
    std::vector<Extension> batch;
    std::vector<std::size_t> whose;
    for (std::size_t i = 0; i < n; ++i) {
      if ((*all)[first + i].ended) continue;
      batch.push_back({contexts[i].get(), {&next[i], 1}});
      whose.push_back(i);
    }
    if (batch.empty()) break;
    Tokens drawn(batch.size());
    JANG_TRY(step(model, batch, &hidden, [&](std::size_t b, std::span<const float> logits) {
      const double at = engine::counter_uniform(o.seed, static_cast<std::int64_t>(first + whose[b]), t);
      drawn[b] = kernels::draw_token(logits, log_sum_exp(logits.data(), static_cast<std::int64_t>(logits.size())), at);
    }));
    for (std::size_t b = 0; b < batch.size(); ++b) {
      SampledText& text = (*all)[first + whose[b]];
      next[whose[b]] = drawn[b];
      if (std::ranges::find(o.end_tokens, drawn[b]) != o.end_tokens.end())
        text.ended = true;
      else
        text.tokens.push_back(drawn[b]);
    }
    const auto done = static_cast<std::int64_t>(first) * o.max_tokens + static_cast<std::int64_t>(n) * (t + 1);
    if (o.observer != nullptr) o.observer->tick(done, o.n_texts * o.max_tokens, "sampling texts");
  }
  return {};
}

Share share(std::int64_t n_true, std::int64_t n) { return {n_true, n, wilson(n_true, n)}; }

template <typename Is>
double paired_p(std::span<const SampledText> a, std::span<const SampledText> b, const Is& is) {
  std::int64_t only_a = 0, only_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    only_a += is(a[i]) && !is(b[i]) ? 1 : 0;
    only_b += is(b[i]) && !is(a[i]) ? 1 : 0;
  }
  return mcnemar_exact(only_a, only_b);
}

// Mean of value(b[i]) - value(a[i]).
template <typename Value>
Mean paired_change(std::span<const SampledText> a, std::span<const SampledText> b, const Value& value) {
  std::vector<double> of_a, of_b;
  for (std::size_t i = 0; i < a.size(); ++i) {
    of_a.push_back(value(a[i]));
    of_b.push_back(value(b[i]));
  }
  return paired_difference(of_b, of_a);
}

void add_mean(const char* key, const Mean& mean, json::Value* object) {
  (*object)[key] = mean.mean;
  (*object)[std::string(key) + "_stderr"] = mean.standard_error;
}

bool repeats(const SampledText& text) { return distinct_four_grams(text.tokens) < kRepeatingBelow; }

json::Value to_json(const GeneratedTexts& texts) {
  return {{"texts", texts.repeating.n},
          {"repeating", texts.repeating.value()},
          {"repeating_interval", {texts.repeating.interval.low, texts.repeating.interval.high}},
          {"ended", texts.ended.value()},
          {"ended_interval", {texts.ended.interval.low, texts.ended.interval.high}},
          {"mean_length", texts.length.mean},
          {"mean_length_stderr", texts.length.standard_error},
          {"distinct_4grams", texts.distinct.mean},
          {"distinct_4grams_stderr", texts.distinct.standard_error}};
}

}  // namespace

Result<std::vector<SampledText>> sample_texts(LanguageModel& model, const SampleOptions& o) {
  std::vector<SampledText> all(static_cast<std::size_t>(o.n_texts));
  const auto at_a_time = static_cast<std::size_t>(std::max<std::int64_t>(o.texts_at_a_time, 1));
  for (std::size_t first = 0; first < all.size(); first += at_a_time)
    JANG_TRY(sample_some(model, o, first, std::min(at_a_time, all.size() - first), &all));
  return all;
}

Result<std::vector<Tokens>> continue_greedily(LanguageModel& model, std::span<const Tokens> prompts, std::int64_t n,
                                              const CancelFlag* cancel) {
  std::vector<Tokens> out(prompts.size());
  std::vector<std::unique_ptr<Context>> contexts;
  std::vector<Extension> batch;
  for (const Tokens& prompt : prompts) {
    contexts.push_back(model.new_context());
    batch.push_back({contexts.back().get(), prompt});
  }
  if (batch.empty()) return out;
  Tokens next(prompts.size());
  std::vector<float> hidden;
  for (std::int64_t t = 0; t < n; ++t) {
    JANG_TRY(check(cancel));
    JANG_TRY(step(model, batch, &hidden, [&](std::size_t i, std::span<const float> logits) {
      next[i] = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    }));
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i].push_back(next[i]);
      batch[i].tokens = {&next[i], 1};
    }
  }
  return out;
}

double distinct_four_grams(std::span<const std::int32_t> tokens) {
  if (tokens.size() < 5) return 1;
  std::set<std::array<std::int32_t, 4>> seen;
  const std::size_t n = tokens.size() - 3;
  for (std::size_t i = 0; i < n; ++i) seen.insert({tokens[i], tokens[i + 1], tokens[i + 2], tokens[i + 3]});
  return static_cast<double>(seen.size()) / static_cast<double>(n);
}

GeneratedTexts summarize_texts(std::span<const SampledText> texts) {
  std::vector<double> lengths, distinct;
  std::int64_t n_repeating = 0, n_ended = 0;
  for (const SampledText& text : texts) {
    lengths.push_back(static_cast<double>(text.tokens.size()));
    distinct.push_back(distinct_four_grams(text.tokens));
    n_repeating += distinct.back() < kRepeatingBelow ? 1 : 0;
    n_ended += text.ended ? 1 : 0;
  }
  const auto n = static_cast<std::int64_t>(texts.size());
  return {share(n_repeating, n), share(n_ended, n), mean_of(lengths), mean_of(distinct)};
}

Mean common_beginning(std::span<const Tokens> a, std::span<const Tokens> b) {
  std::vector<double> lengths;
  for (std::size_t i = 0; i < a.size(); ++i) lengths.push_back(static_cast<double>(std::ranges::mismatch(a[i], b[i]).in1 - a[i].begin()));
  return mean_of(lengths);
}

Generation compare_generation(std::span<const SampledText> source, std::span<const SampledText> model,
                              std::span<const Tokens> source_greedy, std::span<const Tokens> model_greedy) {
  Generation g;
  g.source = summarize_texts(source);
  g.model = summarize_texts(model);
  g.repeating_p = paired_p(source, model, repeats);
  g.ended_p = paired_p(source, model, [](const SampledText& text) { return text.ended; });
  g.length_change = paired_change(source, model, [](const SampledText& text) { return static_cast<double>(text.tokens.size()); });
  g.distinct_change = paired_change(source, model, [](const SampledText& text) { return distinct_four_grams(text.tokens); });
  g.greedy_common = common_beginning(source_greedy, model_greedy);
  g.greedy_tokens = source_greedy.empty() ? 0 : static_cast<std::int64_t>(source_greedy.front().size());
  std::int64_t n_identical = 0;
  for (std::size_t i = 0; i < source_greedy.size(); ++i) n_identical += source_greedy[i] == model_greedy[i] ? 1 : 0;
  g.identical = share(n_identical, static_cast<std::int64_t>(source_greedy.size()));
  return g;
}

void add_to_json(const Generation& g, json::Value* object) {
  json::Value& v = *object;
  v["source_texts"] = to_json(g.source);
  v["model_texts"] = to_json(g.model);
  v["repeating_p"] = g.repeating_p;
  v["ended_p"] = g.ended_p;
  add_mean("length_change", g.length_change, object);
  add_mean("distinct_4grams_change", g.distinct_change, object);
  v["greedy_prompts"] = g.greedy_common.n;
  v["greedy_tokens"] = g.greedy_tokens;
  add_mean("greedy_common", g.greedy_common, object);
  v["greedy_identical"] = g.identical.count;
  v["greedy_identical_interval"] = {g.identical.interval.low, g.identical.interval.high};
}

}  // namespace jang::eval
