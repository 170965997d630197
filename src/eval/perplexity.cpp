// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "eval/perplexity.h"

#include "eval/numbers.h"

namespace jang::eval {

std::vector<double> all_nll(std::span<const WindowScores> windows) {
  std::vector<double> nll;
  for (const WindowScores& w : windows) nll.insert(nll.end(), w.nll.begin(), w.nll.end());
  return nll;
}

Perplexity perplexity_of(std::span<const double> nll) {
  Perplexity p;
  p.nll = mean_of(nll);
  p.perplexity = exp_of(p.nll);
  return p;
}

void add_to_json(const Perplexity& perplexity, json::Value* object) {
  json::Value& v = *object;
  v["perplexity"] = finite_or_null(perplexity.perplexity.value);
  v["stderr"] = finite_or_null(perplexity.perplexity.standard_error);
  v["nll"] = finite_or_null(perplexity.nll.mean);
  v["nll_stderr"] = finite_or_null(perplexity.nll.standard_error);
  v["tokens"] = perplexity.nll.n;
}

Result<std::vector<WindowScores>> measure_perplexity(LanguageModel& model, const TextWindows& text, const ScoreOptions& options) {
  std::vector<WindowScores> windows;
  JANG_TRY(score_windows(model, {}, text, options, [&](std::size_t, WindowScores scores) -> Status {
    windows.push_back(std::move(scores));
    return {};
  }));
  return windows;
}

}  // namespace jang::eval
