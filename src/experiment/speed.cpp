// SPDX-License-Identifier: Apache-2.0
// See the header. Decode feeds given tokens, so there is no sampler in the figure; the head is.
#include "experiment/speed.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/machine.h"

namespace jang::experiment {
namespace {

std::uint64_t resident_now() {
#if defined(__GLIBC__)
  malloc_trim(0);  // what earlier work freed is not this model's
#endif
  return resident_bytes();
}

double median(std::vector<double> values) {
  JANG_CHECK(!values.empty());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<std::int32_t> repeated(std::span<const std::int32_t> tokens, std::size_t n) {
  std::vector<std::int32_t> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(tokens[i % tokens.size()]);
  return out;
}

}  // namespace

json::Value to_json(const Speed& speed) {
  json::Value v = json::Value::object();
  v["prefill_tokens_per_second"] = speed.prefill_tokens_per_second;
  v["decode_tokens_per_second"] = speed.decode_tokens_per_second;
  v["memory_bytes"] = speed.memory_bytes;
  return v;
}

Result<Speed> speed_from_json(const json::Value& v) {
  Speed speed;
  JANG_ASSIGN(speed.prefill_tokens_per_second, json::get_number(v, "prefill_tokens_per_second", -1));
  JANG_ASSIGN(speed.decode_tokens_per_second, json::get_number(v, "decode_tokens_per_second", -1));
  JANG_ASSIGN(const std::int64_t memory, json::get_int(v, "memory_bytes", -1, 0, INT64_MAX));
  if (speed.prefill_tokens_per_second < 0 || speed.decode_tokens_per_second < 0 || memory < 0)
    return Status(StatusCode::corrupt, "a speed is missing");
  speed.memory_bytes = static_cast<std::uint64_t>(memory);
  return speed;
}

Result<Speed> measure_speed(const std::string& directory, std::span<const std::int32_t> tokens, const SpeedOptions& options) {
  JANG_CHECK(!tokens.empty() && options.prompt > 0 && options.steps > 0 && options.repeats > 0);
  const std::uint64_t before = resident_now();
  JANG_ASSIGN(const std::unique_ptr<engine::Engine> engine, engine::Engine::load(directory, options.load));
  const std::vector<std::int32_t> text = repeated(tokens, static_cast<std::size_t>(options.prompt + options.steps));
  const std::span<const std::int32_t> prompt(text.data(), static_cast<std::size_t>(options.prompt));
  std::vector<float> hidden, logits(static_cast<std::size_t>(engine->decoder().config().vocab));
  std::vector<double> prefill, decode;
  const Clock::time_point begin = Clock::now();
  model::Sequence sequence = engine->new_sequence();
  for (int r = 0; r < options.repeats + 1; ++r) {  // the first touches the pages
    sequence = engine->new_sequence();
    const Clock::time_point start = Clock::now();
    const model::BatchItem item[] = {{&sequence, options.prompt}};
    JANG_TRY(engine->forward(item, prompt, &hidden));
    if (r > 0 || seconds_since(begin) > options.max_seconds) prefill.push_back(seconds_since(start));
    if (seconds_since(begin) > options.max_seconds) break;
  }
  const Clock::time_point decoding = Clock::now();
  for (int s = 0; s < options.steps; ++s) {
    const Clock::time_point start = Clock::now();
    const model::BatchItem item[] = {{&sequence, 1}};
    JANG_TRY(engine->forward(item, {&text[static_cast<std::size_t>(options.prompt + s)], 1}, &hidden));
    JANG_TRY(engine->logits(hidden.data(), 1, logits.data()));
    decode.push_back(seconds_since(start));
    if (seconds_since(decoding) > options.max_seconds) break;
  }
  const std::uint64_t after = resident_now();
  Speed speed;
  speed.prefill_tokens_per_second = options.prompt / std::max(median(prefill), 1e-9);
  speed.decode_tokens_per_second = 1 / std::max(median(decode), 1e-9);
  speed.memory_bytes = before > 0 && after > before ? after - before : 0;
  return speed;
}

}  // namespace jang::experiment
