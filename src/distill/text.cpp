// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/text.h"

#include <algorithm>

#include "engine/counter_draw.h"

namespace jang::distill {
namespace {

// Steps whose windows are sampled side by side, and bytes of their caches at most: a weight that is read serves all of them.
constexpr std::int64_t kStepsAtOnce = 16, kCacheBytes = std::int64_t{1} << 30, kCacheBytesOfCard = std::int64_t{4} << 30;
// One in so many windows of given text is held out, at most as many as of sampled text.
constexpr std::int64_t kHeldOutShare = 8;
constexpr std::int64_t kTraining = 0, kHeldOut = -1;  // kinds of text, each with a seed of its own

void append(const calibrate::Windows& from, std::int64_t window, calibrate::Windows* to) {
  const auto at = from.tokens.begin() + window * from.length;
  to->tokens.insert(to->tokens.end(), at, at + from.length);
}

}  // namespace

Result<Text> Text::create(engine::Engine& source, const TextOptions& o, Observer& observer, const CancelFlag* cancel) {
  Text text(source, o, cancel);
  const std::uint64_t seed = engine::counter_bits(o.seed, kHeldOut, 0);
  JANG_ASSIGN(text.held_out_, calibrate::sample_windows(source, {o.n_held_out, o.length, seed}, observer, cancel));
  text.given_.length = o.length;
  if (o.given.empty()) return text;
  const std::int64_t all = (std::int64_t{1} << 26) / o.length;
  JANG_ASSIGN(const calibrate::Windows given, calibrate::text_windows(source, o.given, {all, o.length, o.seed}));
  if (given.n() < 2)
    return Status(StatusCode::invalid_argument, "the text given is shorter than two windows: one is trained on, one held out");
  // Those held out are spread over the text.
  const std::int64_t n = given.n(), wanted = std::min(o.n_held_out, std::max<std::int64_t>(1, n / kHeldOutShare));
  for (std::int64_t w = 0; w < n; ++w) {
    const bool held_out = (w + 1) * wanted / n > w * wanted / n;
    append(given, w, held_out ? &text.held_out_ : &text.given_);
  }
  return text;
}

std::int64_t Text::sampled_per_step() const { return given_.n() > 0 ? options_.n_windows - options_.n_windows / 2 : options_.n_windows; }

std::int64_t Text::steps_at_once() const {
  const std::int64_t bytes = source_.new_sequence().pool().sequence_bytes(options_.length) * sampled_per_step();
  const std::int64_t room = source_.device().has_own_memory() ? kCacheBytesOfCard : kCacheBytes;
  return std::clamp<std::int64_t>(room / bytes, 1, std::min(kStepsAtOnce, options_.n_steps));
}

Result<calibrate::Windows> Text::of_step(std::int64_t step) {
  const std::int64_t at_once = steps_at_once(), n = sampled_per_step(), n_given = options_.n_windows - n, first = step / at_once * at_once;
  auto sampled = sampled_.find(first);
  if (sampled == sampled_.end()) {
    SilentObserver silent;
    const std::int64_t steps = std::max<std::int64_t>(1, std::min(at_once, options_.n_steps - first));
    const std::uint64_t seed = engine::counter_bits(options_.seed, kTraining, 0);
    JANG_ASSIGN(calibrate::Windows windows,
                calibrate::sample_windows(source_, {n * steps, options_.length, seed, n * first}, silent, cancel_));
    sampled = sampled_.emplace(first, std::move(windows)).first;
  }
  calibrate::Windows out{{}, options_.length};
  for (std::int64_t w = 0; w < n; ++w) append(sampled->second, (step - first) * n + w, &out);
  for (std::int64_t w = 0; w < n_given; ++w) append(given_, (step * n_given + w) % given_.n(), &out);
  return out;
}

}  // namespace jang::distill
