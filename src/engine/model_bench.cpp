// SPDX-License-Identifier: Apache-2.0
// The tests and their statistics.
#include "engine/model_bench.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/clock.h"
#include "kernels/read_speed.h"

namespace jang::engine {
namespace {

// Token ids spread over the vocabulary, the same in every run.
std::vector<std::int32_t> some_tokens(std::int64_t n, std::int64_t vocab) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>((i * 7919 + 13) % vocab));
  return ids;
}

// Seconds of one forward of `tokens` and the logits of the last.
Result<double> step(Engine& engine, model::Sequence& sequence, std::span<const std::int32_t> tokens, std::vector<float>* hidden,
                    std::vector<float>* logits) {
  const auto start = Clock::now();
  const model::BatchItem item{&sequence, static_cast<std::int64_t>(tokens.size())};
  JANG_TRY(engine.forward({&item, 1}, tokens, hidden));
  const std::int64_t width = engine.decoder().config().hidden;
  JANG_TRY(engine.logits(hidden->data() + (static_cast<std::int64_t>(tokens.size()) - 1) * width, 1, logits->data()));
  return seconds_since(start);
}

// Seconds of one repetition: the prompt as one forward, or n tokens one by one behind a first that is not counted.
Result<double> repetition(Engine& engine, std::int64_t n, bool generate, std::optional<kernels::KvType> kv_type) {
  model::Sequence sequence = engine.new_sequence(kv_type);
  const std::int64_t vocab = engine.decoder().config().vocab;
  const std::vector<std::int32_t> ids = some_tokens(n + 1, vocab);
  std::vector<float> hidden, logits(static_cast<std::size_t>(vocab));
  if (!generate) return step(engine, sequence, std::span(ids).first(static_cast<std::size_t>(n)), &hidden, &logits);
  JANG_TRY(step(engine, sequence, std::span(ids).first(1), &hidden, &logits).status());
  double seconds = 0;
  for (std::int64_t i = 1; i <= n; ++i) {
    JANG_ASSIGN(const double one, step(engine, sequence, std::span(ids).subspan(static_cast<std::size_t>(i), 1), &hidden, &logits));
    seconds += one;
  }
  return seconds;
}

void summarise(ModelBenchRow* row) {
  const auto n = static_cast<double>(row->tokens_per_second.size());
  for (const double t : row->tokens_per_second) row->mean += t / n;
  double squares = 0;
  for (const double t : row->tokens_per_second) squares += (t - row->mean) * (t - row->mean);
  row->deviation = n > 1 ? std::sqrt(squares / (n - 1)) : 0.0;
}

}  // namespace

Result<ModelBench> bench_model(Engine& engine, const ModelBenchOptions& options, const CancelFlag* cancel) {
  ModelBench bench;
  bench.bytes_per_token = engine.decoder().bytes_per_token();
  std::vector<double> reads = {kernels::read_gbps(engine.device(), engine.pool().size())};
  for (const bool generate : {false, true}) {
    const std::int64_t n = generate ? options.n_generate : options.n_prompt;
    if (n == 0) continue;
    ModelBenchRow row;
    row.test = fmt::format("{}{}", generate ? "tg" : "pp", n);
    for (int r = -1; r < options.repetitions; ++r) {
      if (cancel && cancel->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "measuring stopped");
      JANG_ASSIGN(const double seconds, repetition(engine, n, generate, options.kv_type));
      if (r >= 0) row.tokens_per_second.push_back(static_cast<double>(n) / seconds);
    }
    summarise(&row);
    reads.push_back(kernels::read_gbps(engine.device(), engine.pool().size()));
    if (generate) row.gbps = row.mean * static_cast<double>(bench.bytes_per_token) / 1e9;
    bench.rows.push_back(std::move(row));
  }
  std::ranges::sort(reads);
  bench.read_gbps = reads[reads.size() / 2];
  for (ModelBenchRow& row : bench.rows) row.ratio = bench.read_gbps > 0 ? row.gbps / bench.read_gbps : 0.0;
  return bench;
}

}  // namespace jang::engine
