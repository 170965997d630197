// SPDX-License-Identifier: Apache-2.0
// Sampling windows from the model, from text, at random.
#include "calibrate/text.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/counter_draw.h"
#include "text/tokenizer.h"

namespace jang::calibrate {
namespace {

struct BeginToken {
  std::int32_t id = 0;
  bool is_added = false;  // by the tokenizer, to every text
};
Result<BeginToken> begin_token(engine::Engine& engine) {
  const std::int64_t vocab = engine.decoder().config().vocab;
  const auto usable = [&](std::int32_t id) { return id >= 0 && id < vocab; };
  JANG_ASSIGN(const text::Tokenizer* tokenizer, engine.tokenizer());
  JANG_ASSIGN(const std::vector<std::int32_t> own, tokenizer->encode(""));
  if (!own.empty() && usable(own.front())) return BeginToken{own.front(), true};
  for (const std::int32_t id : engine.stop_ids())
    if (usable(id)) return BeginToken{id};
  return BeginToken{};
}

Status check(engine::Engine& engine, const TextOptions& o) {
  if (o.n_windows < 1 || o.length < 2 || o.n_windows * o.length > (std::int64_t{1} << 26))
    return {StatusCode::invalid_argument, fmt::format("{} windows of {} tokens cannot be measured", o.n_windows, o.length)};
  const std::int64_t positions = engine.decoder().config().max_positions;
  if (positions > 0 && o.length > positions)
    return {StatusCode::invalid_argument,
            fmt::format("windows of {} tokens are longer than the {} positions the model was trained for", o.length, positions)};
  return {};
}

}  // namespace

Result<Windows> sample_windows(engine::Engine& engine, const TextOptions& o, Observer& observer, const CancelFlag* cancel) {
  JANG_TRY(check(engine, o));
  JANG_ASSIGN(const BeginToken begun, begin_token(engine));
  const std::int32_t begin = begun.id;
  // Where window w starts in what is drawn for it.
  const auto start_of = [&](std::int64_t w) -> std::int64_t { return begun.is_added && (o.first + w) % 2 == 1 ? 1 : 0; };
  const std::int64_t n_drawn = o.length + std::max(start_of(0), o.n_windows > 1 ? start_of(1) : 0);
  const auto n = static_cast<std::size_t>(o.n_windows);
  Windows out{std::vector<std::int32_t>(n * static_cast<std::size_t>(o.length)), o.length};
  std::vector<model::Sequence> sequences;
  std::vector<model::BatchItem> batch;
  for (std::size_t w = 0; w < n; ++w) sequences.push_back(engine.new_sequence());
  for (model::Sequence& s : sequences) batch.push_back({&s, 1});
  std::vector<std::int32_t> next(n, begin);
  std::vector<double> at(n);
  std::vector<std::int32_t> drawn(n);
  std::vector<float> hidden;
  for (std::int64_t t = 0; t < n_drawn; ++t) {
    if (cancel && cancel->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "sampling stopped");
    for (std::size_t w = 0; w < n; ++w)
      if (const std::int64_t place = t - start_of(static_cast<std::int64_t>(w)); place >= 0 && place < o.length)
        out.tokens[w * static_cast<std::size_t>(o.length) + static_cast<std::size_t>(place)] = next[w];
    if (t + 1 == n_drawn) break;
    JANG_TRY(engine.forward(batch, next, &hidden));
    for (std::size_t w = 0; w < n; ++w) at[w] = engine::counter_uniform(o.seed, o.first + static_cast<std::int64_t>(w), t);
    JANG_TRY(engine.draw(hidden.data(), at, drawn.data()));
    for (std::size_t w = 0; w < n; ++w) {
      const bool ended = t > 0 && next[w] != begin && std::ranges::find(engine.stop_ids(), next[w]) != engine.stop_ids().end();
      next[w] = ended ? begin : drawn[w];
    }
    observer.tick(t + 1, n_drawn, "sampling text");
  }
  return out;
}

Result<Windows> text_windows(engine::Engine& engine, std::string_view text, const TextOptions& o) {
  JANG_TRY(check(engine, o));
  JANG_ASSIGN(const text::Tokenizer* tokenizer, engine.tokenizer());
  JANG_ASSIGN(const std::vector<std::int32_t> ids, tokenizer->encode(text));
  const std::int64_t available = static_cast<std::int64_t>(ids.size()) / o.length;
  if (available == 0)
    return Status(StatusCode::invalid_argument, fmt::format("the text has {} tokens, fewer than one window of {}", ids.size(), o.length));
  const std::int64_t n = std::min(available, o.n_windows);
  Windows out{{}, o.length};
  for (std::int64_t w = 0; w < n; ++w) {
    const auto first = ids.begin() + w * available / n * o.length;
    out.tokens.insert(out.tokens.end(), first, first + o.length);
  }
  return out;
}

Result<Windows> random_windows(engine::Engine& engine, const TextOptions& o) {
  JANG_TRY(check(engine, o));
  JANG_ASSIGN(const BeginToken begin, begin_token(engine));
  const double vocab = static_cast<double>(engine.decoder().config().vocab);
  Windows out{{}, o.length};
  for (std::int64_t w = 0; w < o.n_windows; ++w)
    for (std::int64_t t = 0; t < o.length; ++t)
      out.tokens.push_back(t == 0 ? begin.id : static_cast<std::int32_t>(engine::counter_uniform(o.seed, w, t) * vocab));
  return out;
}

}  // namespace jang::calibrate
