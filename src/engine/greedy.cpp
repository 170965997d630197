// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "engine/greedy.h"

#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "engine/logits_file.h"

namespace jang::engine {
namespace {

constexpr std::int64_t kChunk = 512;     // tokens of a forward
constexpr std::int64_t kHeadChunk = 32;  // rows of logits at a time

std::vector<TokenLogit> best_of(std::span<const float> logits, std::size_t n_best) {
  std::vector<TokenLogit> best;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (best.size() == n_best && !(logits[id] > best.back().logit)) continue;
    const auto at = std::find_if(best.begin(), best.end(), [&](const TokenLogit& b) { return logits[id] > b.logit; });
    best.insert(at, {static_cast<std::int32_t>(id), logits[id]});
    if (best.size() > n_best) best.pop_back();
  }
  return best;
}

// One run over the ids and behind them.
class Run {
 public:
  Run(Engine& engine, std::optional<kernels::KvType> kv_type, std::size_t n_best)
      : engine_(engine), sequence_(engine.new_sequence(kv_type)), n_best_(std::max<std::size_t>(n_best, 1)) {}

  Status prefill(std::span<const std::int32_t> ids, LogitsFile* file) {
    const std::int64_t hidden_size = engine_.decoder().config().hidden;
    const auto vocab = static_cast<std::size_t>(engine_.decoder().config().vocab);
    std::vector<float> hidden, logits(kHeadChunk * vocab);
    for (std::size_t begin = 0; begin < ids.size(); begin += kChunk) {
      const auto tokens = ids.subspan(begin, std::min<std::size_t>(kChunk, ids.size() - begin));
      const model::BatchItem item{&sequence_, static_cast<std::int64_t>(tokens.size())};
      const auto start = Clock::now();
      JANG_TRY(engine_.forward({&item, 1}, tokens, &hidden));
      report.prompt_seconds += seconds_since(start);
      for (std::int64_t row = 0; row < item.n_tokens; row += kHeadChunk) {
        const auto n = static_cast<std::size_t>(std::min(kHeadChunk, item.n_tokens - row));
        JANG_TRY(engine_.logits(hidden.data() + row * hidden_size, static_cast<std::int64_t>(n), logits.data()));
        for (std::size_t i = 0; i < n; ++i) report.best.push_back(best_of(std::span(logits).subspan(i * vocab, vocab), n_best_));
        if (file != nullptr) JANG_TRY(file->append(std::as_bytes(std::span(logits).first(n * vocab))));
      }
    }
    return {};
  }

  Status go_on(std::int64_t n) {
    std::vector<float> hidden, logits(static_cast<std::size_t>(engine_.decoder().config().vocab));
    const auto start = Clock::now();
    std::int32_t next = report.best.back().front().id;
    for (std::int64_t i = 0; i < n; ++i) {
      report.continuation.push_back(next);
      if (i + 1 == n) break;
      const model::BatchItem item{&sequence_, 1};
      JANG_TRY(engine_.forward({&item, 1}, {&next, 1}, &hidden));
      JANG_TRY(engine_.logits(hidden.data(), 1, logits.data()));
      next = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    }
    report.continuation_seconds = seconds_since(start);
    return {};
  }

  LogitsReport report;

 private:
  Engine& engine_;
  model::Sequence sequence_;
  std::size_t n_best_;
};

}  // namespace

Result<LogitsReport> greedy_logits(Engine& engine, std::span<const std::int32_t> ids, const LogitsOptions& options,
                                   std::optional<kernels::KvType> kv_type) {
  if (ids.empty() || options.n_continuation < 0)
    return Status(StatusCode::invalid_argument, "no token ids, or fewer than none to go on with");
  std::optional<LogitsFile> file;
  if (!options.output.empty()) {
    JANG_ASSIGN(LogitsFile created, LogitsFile::create(options.output, static_cast<std::int64_t>(ids.size()),
                                                       engine.decoder().config().vocab, options.n_continuation));
    file.emplace(std::move(created));
  }
  Run run(engine, kv_type, options.n_best);
  Status done = run.prefill(ids, file ? &*file : nullptr);
  if (done.ok()) done = run.go_on(options.n_continuation);
  if (done.ok() && file) done = file->append_ids(ids);
  if (done.ok() && file) done = file->append_ids(run.report.continuation);
  if (done.ok()) return std::move(run.report);
  std::error_code ec;
  if (file) std::filesystem::remove(options.output, ec);
  return done;
}

}  // namespace jang::engine
