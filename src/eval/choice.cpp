// SPDX-License-Identifier: Apache-2.0
// A step takes neighbouring items: their shared beginning runs once, then each prefix's rest on a clone of it, then every continuation but
// its last token on a clone of its prefix. The last token of anything needs no forward: it is only scored.
#include "eval/choice.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/check.h"
#include "eval/log_sum.h"

namespace jang::eval {
namespace {

std::size_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

// One scored token: which hidden row predicts it, and whose sum it belongs to.
struct Target {
  std::int64_t hidden = 0;
  std::int32_t token = 0;
  std::size_t item = 0, continuation = 0;
};

class ChoiceStep {
 public:
  ChoiceStep(LanguageModel& model, std::span<const TokenItem> items, std::int64_t min_shared)
      : model_(model), items_(items), min_shared_(min_shared), vocab_(model.vocab_size()) {
    for (const TokenItem& item : items) {
      ItemScore s;
      s.log_likelihood.assign(item.continuations.size(), 0.0);
      s.greedy.assign(item.continuations.size(), 1);
      s.cut = item.cut;
      scores_.push_back(std::move(s));
    }
  }

  Result<std::vector<ItemScore>> run() {
    JANG_TRY(run_prefixes());
    JANG_TRY(score(first_tokens_));
    JANG_TRY(run_continuations());
    JANG_TRY(score(later_tokens_));
    return std::move(scores_);
  }

 private:
  // Tokens that every prefix of the step begins with, always leaving at least one of each.
  std::size_t shared_length() const {
    if (items_.size() < 2) return 0;
    std::size_t n = items_.front().prefix.size();
    for (const TokenItem& item : items_) n = std::min({n, common_prefix(items_.front().prefix, item.prefix), item.prefix.size() - 1});
    return static_cast<std::int64_t>(n) >= min_shared_ ? n : 0;
  }

  Status run_prefixes() {
    const std::size_t shared = shared_length();
    std::unique_ptr<Context> base;
    if (shared > 0) {
      base = model_.new_context();
      const Extension all[] = {{base.get(), std::span(items_.front().prefix).first(shared)}};
      JANG_TRY(model_.extend(all, &hidden_));
    }
    std::vector<Extension> batch;
    std::int64_t row = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      prefixes_.push_back(base ? base->clone() : model_.new_context());
      const auto rest = std::span(items_[i].prefix).subspan(shared);
      batch.push_back({prefixes_.back().get(), rest});
      row += static_cast<std::int64_t>(rest.size());
      for (std::size_t c = 0; c < items_[i].continuations.size(); ++c)
        first_tokens_.push_back({row - 1, items_[i].continuations[c].front(), i, c});
    }
    return model_.extend(batch, &hidden_);
  }

  Status run_continuations() {
    std::vector<std::unique_ptr<Context>> clones;
    std::vector<Extension> batch;
    std::int64_t row = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      for (std::size_t c = 0; c < items_[i].continuations.size(); ++c) {
        const Tokens& tokens = items_[i].continuations[c];
        if (tokens.size() < 2) continue;
        clones.push_back(prefixes_[i]->clone());
        batch.push_back({clones.back().get(), std::span(tokens).first(tokens.size() - 1)});
        for (std::size_t t = 1; t < tokens.size(); ++t) later_tokens_.push_back({row++, tokens[t], i, c});
      }
      prefixes_[i].reset();
    }
    return batch.empty() ? Status() : model_.extend(batch, &hidden_);
  }

  // Adds log p of every target. Targets are in order of hidden rows; those that share a row are neighbours.
  Status score(std::span<const Target> targets) {
    std::vector<std::int64_t> rows;
    std::vector<std::size_t> row_of(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (rows.empty() || rows.back() != targets[i].hidden) rows.push_back(targets[i].hidden);
      row_of[i] = rows.size() - 1;
    }
    const auto chunk = static_cast<std::size_t>(logit_rows(vocab_));
    std::size_t next = 0;
    for (std::size_t first = 0; first < rows.size(); first += chunk) {
      const std::size_t n = std::min(chunk, rows.size() - first);
      JANG_TRY(make_logits(std::span(rows).subspan(first, n)));
      for (; next < targets.size() && row_of[next] < first + n; ++next) add(targets[next], row_of[next] - first);
    }
    return {};
  }

  Status make_logits(std::span<const std::int64_t> rows) {
    const auto width = static_cast<std::size_t>(model_.hidden_size()), vocab = static_cast<std::size_t>(vocab_);
    gathered_.resize(rows.size() * width);
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::memcpy(gathered_.data() + i * width, hidden_.data() + static_cast<std::size_t>(rows[i]) * width, width * sizeof(float));
    logits_.resize(rows.size() * vocab);
    JANG_TRY(model_.logits(gathered_.data(), static_cast<std::int64_t>(rows.size()), logits_.data()));
    log_sums_.resize(rows.size());
    tops_.resize(rows.size());
    model_.pool().run(static_cast<std::int64_t>(rows.size()), [&](std::int64_t i, int) {
      const float* x = logits_.data() + static_cast<std::size_t>(i) * vocab;
      log_sums_[static_cast<std::size_t>(i)] = log_sum_exp(x, vocab_);
      tops_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(std::max_element(x, x + vocab_) - x);
    });
    return {};
  }

  void add(const Target& target, std::size_t row) {
    const float logit = logits_[row * static_cast<std::size_t>(vocab_) + static_cast<std::size_t>(target.token)];
    ItemScore& s = scores_[target.item];
    s.log_likelihood[target.continuation] += static_cast<double>(logit) - log_sums_[row];
    if (tops_[row] != target.token) s.greedy[target.continuation] = 0;
  }

  LanguageModel& model_;
  std::span<const TokenItem> items_;
  std::int64_t min_shared_;
  std::int64_t vocab_;
  std::vector<ItemScore> scores_;
  std::vector<std::unique_ptr<Context>> prefixes_;
  std::vector<Target> first_tokens_, later_tokens_;
  std::vector<float> hidden_, gathered_, logits_;
  std::vector<double> log_sums_;
  std::vector<std::int32_t> tops_;
};

// Tokens to run for an item whose first `shared` tokens are run already.
std::int64_t cost_of(const TokenItem& item, std::size_t shared) {
  std::size_t n = item.prefix.size() - shared;
  for (const Tokens& c : item.continuations) n += c.size() - 1;
  return static_cast<std::int64_t>(n);
}

// Items [begin, end) that make a good step. Items that share a long beginning stay together and apart from the others.
std::size_t end_of_step(std::span<const TokenItem> items, std::size_t begin, const TaskOptions& options) {
  const auto min_shared = static_cast<std::size_t>(options.min_shared);
  const auto shared_with_first = [&](std::size_t i) {
    return std::min(common_prefix(items[begin].prefix, items[i].prefix), std::min(items[begin].prefix.size(), items[i].prefix.size()) - 1);
  };
  std::size_t end = begin + 1, shared = 0;
  if (end < items.size() && shared_with_first(end) >= min_shared) shared = shared_with_first(end);
  std::int64_t n_tokens = cost_of(items[begin], 0);
  for (; end < items.size(); ++end) {
    if (shared > 0 && shared_with_first(end) < std::max(min_shared, shared / 2)) break;
    n_tokens += cost_of(items[end], shared);
    if (n_tokens > options.tokens_per_step) break;
  }
  return end;
}

Status check_tokens(std::span<const TokenItem> items, std::int64_t vocab) {
  const auto outside = [&](std::int32_t t) { return t < 0 || t >= vocab; };
  for (const TokenItem& item : items) {
    bool bad = std::any_of(item.prefix.begin(), item.prefix.end(), outside);
    for (const Tokens& c : item.continuations) bad = bad || std::any_of(c.begin(), c.end(), outside);
    if (bad) return {StatusCode::invalid_argument, fmt::format("the tokenizer gave a token beyond the model's {}", vocab)};
  }
  return {};
}

}  // namespace

Result<TokenItem> tokenize_item(const TaskItem& item, const Encode& encode, std::int32_t start_token, std::int64_t max_context) {
  JANG_CHECK(!item.continuations.empty());
  JANG_ASSIGN(const Tokens context, encode(item.context));
  std::vector<Tokens> whole;
  std::size_t border = context.size(), longest = 0;
  for (const std::string& continuation : item.continuations) {
    JANG_ASSIGN(Tokens tokens, encode(item.context + continuation));
    border = std::min(border, common_prefix(context, tokens));
    whole.push_back(std::move(tokens));
  }
  TokenItem out;
  out.prefix.assign(context.begin(), context.begin() + static_cast<std::ptrdiff_t>(border));
  for (const Tokens& tokens : whole) {
    if (tokens.size() <= border)
      return Status(StatusCode::invalid_argument, fmt::format("item {}: a continuation adds no token to its context", item.id));
    out.continuations.emplace_back(tokens.begin() + static_cast<std::ptrdiff_t>(border), tokens.end());
    longest = std::max(longest, out.continuations.back().size());
  }
  if (out.prefix.empty()) {
    if (start_token < 0)
      return Status(StatusCode::invalid_argument, fmt::format("item {}: an empty context, and no token that starts a text", item.id));
    out.prefix.push_back(start_token);
  }
  // The last token of a continuation is scored, not run.
  const std::size_t total = out.prefix.size() + longest - 1;
  if (max_context > 0 && total > static_cast<std::size_t>(max_context)) {
    const std::size_t drop = std::min(total - static_cast<std::size_t>(max_context), out.prefix.size() - 1);
    out.prefix.erase(out.prefix.begin(), out.prefix.begin() + static_cast<std::ptrdiff_t>(drop));
    out.cut = true;
  }
  return out;
}

Status score_items(LanguageModel& model, std::span<const TokenItem> items, const TaskOptions& options, const ItemSink& sink) {
  JANG_TRY(check_tokens(items, model.vocab_size()));
  const std::int64_t total = options.ticks_total > 0 ? options.ticks_total : static_cast<std::int64_t>(items.size());
  for (std::size_t begin = 0; begin < items.size();) {
    if (options.cancel && options.cancel->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "evaluation stopped"};
    const std::size_t end = end_of_step(items, begin, options);
    JANG_ASSIGN(std::vector<ItemScore> scores, ChoiceStep(model, items.subspan(begin, end - begin), options.min_shared).run());
    for (std::size_t i = 0; i < scores.size(); ++i) JANG_TRY(sink(begin + i, std::move(scores[i])));
    begin = end;
    if (options.observer) options.observer->tick(options.ticks_done + static_cast<std::int64_t>(end), total, "items");
  }
  return {};
}

}  // namespace jang::eval
