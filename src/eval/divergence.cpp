// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "eval/divergence.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "eval/numbers.h"

namespace jang::eval {

Divergence divergence_of(std::span<const WindowScores> reference, std::span<const WindowScores> model) {
  JANG_CHECK(reference.size() == model.size());
  Divergence d;
  std::vector<double> kld;
  for (std::size_t w = 0; w < model.size(); ++w) {
    JANG_CHECK(model[w].kld.size() == reference[w].nll.size() && model[w].window == reference[w].window);
    kld.insert(kld.end(), model[w].kld.begin(), model[w].kld.end());
    for (const std::uint8_t s : model[w].same) d.n_same += s;
  }
  const std::vector<double> a = all_nll(reference), b = all_nll(model);
  d.n = static_cast<std::int64_t>(kld.size());
  d.kld = mean_of(kld);
  d.same = wilson(d.n_same, d.n);
  d.reference = perplexity_of(a);
  d.model = perplexity_of(b);
  d.ratio = perplexity_ratio(b, a);
  d.n_not_finite = std::count_if(kld.begin(), kld.end(), [](double x) { return !std::isfinite(x); });
  d.percentiles.fill(std::numeric_limits<double>::quiet_NaN());
  if (d.n_not_finite > 0 || kld.empty()) return d;
  std::sort(kld.begin(), kld.end());
  for (std::size_t i = 0; i < kKldPercentiles.size(); ++i) d.percentiles[i] = percentile(kld, kKldPercentiles[i].percent);
  return d;
}

void add_to_json(const Divergence& d, json::Value* object) {
  json::Value& v = *object;
  v["kld_mean"] = finite_or_null(d.kld.mean);
  v["kld_stderr"] = finite_or_null(d.kld.standard_error);
  json::Value percentiles = json::Value::object();
  for (std::size_t i = 0; i < kKldPercentiles.size(); ++i)
    percentiles[std::string(kKldPercentiles[i].key)] = finite_or_null(d.percentiles[i]);
  v["kld_percentiles"] = std::move(percentiles);
  v["same_top"] = d.n == 0 ? json::Value(nullptr) : json::Value(static_cast<double>(d.n_same) / static_cast<double>(d.n));
  v["same_top_interval"] = {d.same.low, d.same.high};
  add_to_json(d.model, object);
  v["ref_perplexity"] = finite_or_null(d.reference.perplexity.value);
  v["ref_stderr"] = finite_or_null(d.reference.perplexity.standard_error);
  v["ref_nll"] = finite_or_null(d.reference.nll.mean);
  v["perplexity_ratio"] = finite_or_null(d.ratio.value);
  v["perplexity_ratio_stderr"] = finite_or_null(d.ratio.standard_error);
  v["not_finite"] = d.n_not_finite;
}

Result<DivergenceScores> measure_divergence(LanguageModel& reference, LanguageModel& model, const TextWindows& text,
                                            const ScoreOptions& options) {
  DivergenceScores scores;
  LanguageModel* const others[] = {&model};
  JANG_TRY(score_windows(reference, others, text, options, [&](std::size_t m, WindowScores window) -> Status {
    (m == 0 ? scores.reference : scores.model).push_back(std::move(window));
    return {};
  }));
  return scores;
}

}  // namespace jang::eval
