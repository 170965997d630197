// SPDX-License-Identifier: Apache-2.0
// Text generation on one sequence: a prompt goes in, tokens come out, and the next prompt reuses what it shares with the last one.
//
// Where keys or values exceed float16 and nobody asked for an f16 cache, the sequence is computed again with a wider one and keeps it: what
// comes out from there on is what a wider cache from the start gives.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/sampler.h"
#include "jang/generation.h"
#include "jang/status.h"

namespace jang::engine {

using jang::Timings;

// Not thread safe. The engine must outlive it.
class Generator {
 public:
  // `chunk`: tokens of the prompt per forward, bounds the memory of a long prompt. Precondition: validate(sampling).ok(), chunk >= 1.
  Generator(Engine& engine, const SamplingOptions& sampling, std::int64_t chunk = 512);

  // Makes the sequence hold `prompt`; positions shared with what it holds already are kept. The penalties see the prompt. Errors:
  // invalid_argument (empty, an id out of the vocabulary), cancelled, corrupt (logits that cannot be used), those of the forward.
  [[nodiscard]] Status set_prompt(std::span<const std::int32_t> prompt, const CancelFlag* cancel = nullptr);
  // Draws the next token and appends it. Errors: corrupt (logits that cannot be used), those of the forward.
  [[nodiscard]] Result<std::int32_t> next();
  // True for ids that end a text.
  [[nodiscard]] bool is_end(std::int32_t id) const;

  // Prompt and generated tokens so far.
  [[nodiscard]] const std::vector<std::int32_t>& tokens() const { return tokens_; }
  // True once a wider cache has taken the place of the default one.
  [[nodiscard]] bool widened() const { return kv_type_.has_value(); }
  // Since the last set_prompt.
  [[nodiscard]] const Timings& timings() const { return timings_; }

 private:
  [[nodiscard]] Status compute(const CancelFlag* cancel);
  [[nodiscard]] Status run_rest(const CancelFlag* cancel);

  Engine& engine_;
  Sampler sampler_;
  std::int64_t chunk_;
  std::optional<kernels::KvType> kv_type_;  // of the sequence, where it is not the engine's
  model::Sequence sequence_;
  std::vector<std::int32_t> tokens_;  // the first sequence_.length() of them are in the caches; the last may be pending
  std::vector<float> hidden_, logits_;
  Timings timings_;
};

}  // namespace jang::engine
