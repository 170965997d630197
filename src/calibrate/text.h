// SPDX-License-Identifier: Apache-2.0
// The tokens a model is measured on: windows of equal length, sampled by the model itself, cut from given text, or random.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "engine/engine.h"
#include "jang/status.h"

namespace jang::calibrate {

struct Windows {
  std::vector<std::int32_t> tokens;  // [n, length]
  std::int64_t length = 0;
  [[nodiscard]] std::int64_t n() const { return length > 0 ? static_cast<std::int64_t>(tokens.size()) / length : 0; }
};

struct TextOptions {
  std::int64_t n_windows = 8, length = 512;
  std::uint64_t seed = 1;
  std::int64_t first = 0;  // number of the first window, of those of a seed: which are sampled together changes nothing
};

// Text that the model samples itself: every window starts with the begin token (what the tokenizer's own encode puts in front of text,
// else an end-of-text token, which starts documents where there is no begin token) and continues at temperature 1 over the whole
// vocabulary. After an end token a new text begins. The draw at a position depends on seed, window and position only.
//
// Where the tokenizer puts a begin token in front of every text, every second window leaves it out: models that know one (Gemma) have
// other activations without it, and most of what is read does not start where a text starts.
[[nodiscard]] Result<Windows> sample_windows(engine::Engine& engine, const TextOptions& options, Observer& observer,
                                             const CancelFlag* cancel);
// The first windows of a text, as the tokenizer encodes it, spread evenly over it. Errors: invalid_argument (shorter than one window).
[[nodiscard]] Result<Windows> text_windows(engine::Engine& engine, std::string_view text, const TextOptions& options);
// The begin token, then uniformly random ids: costs one prefill and no sampling, serves E[x^2] and not sensitivities.
[[nodiscard]] Result<Windows> random_windows(engine::Engine& engine, const TextOptions& options);

}  // namespace jang::calibrate
