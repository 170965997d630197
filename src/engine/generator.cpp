// SPDX-License-Identifier: Apache-2.0
// Prefill with prefix reuse, and the decode step.
#include "engine/generator.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "engine/wider_cache.h"

namespace jang::engine {

Generator::Generator(Engine& engine, const SamplingOptions& sampling, std::int64_t chunk)
    : engine_(engine),
      sampler_(sampling),
      chunk_(chunk),
      sequence_(engine.new_sequence()),
      logits_(static_cast<std::size_t>(engine.decoder().config().vocab)) {}

bool Generator::is_end(std::int32_t id) const {
  const std::vector<std::int32_t>& ends = engine_.stop_ids();
  return std::ranges::find(ends, id) != ends.end();
}

// Runs the tokens behind those that the caches hold; logits_ are those of the last one.
Status Generator::run_rest(const CancelFlag* cancel) {
  const std::int64_t hidden_size = engine_.decoder().config().hidden;
  const std::span<const std::int32_t> tokens(tokens_);
  for (auto at = static_cast<std::size_t>(sequence_.length()); at < tokens.size();) {
    if (cancel && cancel->load(std::memory_order_relaxed)) return {StatusCode::cancelled, "stopped while reading the prompt"};
    const std::span<const std::int32_t> part = tokens.subspan(at, std::min(tokens.size() - at, static_cast<std::size_t>(chunk_)));
    const model::BatchItem item{&sequence_, static_cast<std::int64_t>(part.size())};
    JANG_TRY(engine_.forward({&item, 1}, part, &hidden_));
    at += part.size();
  }
  return engine_.logits(hidden_.data() + static_cast<std::int64_t>(hidden_.size()) - hidden_size, 1, logits_.data());
}

Status Generator::compute(const CancelFlag* cancel) {
  Status done = run_rest(cancel);
  if (wants_wider_cache(done)) {
    kv_type_ = kWiderKvType;
    timings_.reused_tokens = 0;
    sequence_ = engine_.new_sequence(kv_type_);
    done = run_rest(cancel);
  }
  if (!done.ok() && done.code() != StatusCode::cancelled) sequence_ = engine_.new_sequence(kv_type_);  // nothing broken is reused
  return done;
}

Status Generator::set_prompt(std::span<const std::int32_t> prompt, const CancelFlag* cancel) {
  if (prompt.empty()) return {StatusCode::invalid_argument, "the prompt has no tokens"};
  const std::int64_t vocab = engine_.decoder().config().vocab;
  const auto outside = std::ranges::find_if(prompt, [&](std::int32_t id) { return id < 0 || id >= vocab; });
  if (outside != prompt.end())
    return {StatusCode::invalid_argument, fmt::format("token {} is outside the model's vocabulary of {}", *outside, vocab)};
  const auto start = Clock::now();
  // The last token is always computed: its logits are wanted.
  const auto cached = static_cast<std::size_t>(sequence_.length());
  std::size_t shared = 0;
  while (shared < std::min(cached, prompt.size() - 1) && tokens_[shared] == prompt[shared]) ++shared;
  if (!sequence_.truncate(static_cast<std::int64_t>(shared))) {
    shared = 0;
    sequence_ = engine_.new_sequence(kv_type_);
  }
  tokens_.assign(prompt.begin(), prompt.end());
  // The penalties see the tokens of the sequence, each once: those of earlier turns are part of the prompt.
  sampler_.forget();
  for (const std::int32_t id : prompt) sampler_.accept(id);
  timings_ = {};
  timings_.reused_tokens = static_cast<std::int64_t>(shared);
  JANG_TRY(compute(cancel));
  timings_.prompt_tokens = static_cast<std::int64_t>(prompt.size()) - timings_.reused_tokens;
  timings_.prompt_seconds = seconds_since(start);
  return {};
}

Result<std::int32_t> Generator::next() {
  const auto start = Clock::now();
  if (static_cast<std::size_t>(sequence_.length()) < tokens_.size()) JANG_TRY(compute(nullptr));
  const std::int32_t id = sampler_.sample(logits_);
  sampler_.accept(id);
  tokens_.push_back(id);
  ++timings_.generated_tokens;
  timings_.generation_seconds += seconds_since(start);
  return id;
}

}  // namespace jang::engine
