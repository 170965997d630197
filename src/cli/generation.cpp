// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "cli/generation.h"

#include <charconv>
#include <cmath>
#include <random>

#include <fmt/format.h>

#include "cli/failure.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

// A plain decimal number, sign allowed. Errors: invalid_argument naming `what`.
Result<double> parse_number(const std::string& text, std::string_view what) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return Status(StatusCode::invalid_argument, fmt::format("{} takes a number, not \"{}\"", what, printable(text)));
  return value;
}

double per_second(std::int64_t tokens, double seconds) { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0; }

void print_cache_note(std::string_view note) { print_message(fmt::format("note: {}, as with --kv bf16\n", note)); }

}  // namespace

Result<GenerationOptions> generation_options(const Arguments& arguments) {
  GenerationOptions o;
  SamplingOptions& sampling = o.session.sampling;
  struct NumberRow {
    std::string_view name;
    double* value;
  };
  for (const NumberRow& row :
       {NumberRow{"--temp", &sampling.temperature}, NumberRow{"--top-p", &sampling.top_p}, NumberRow{"--min-p", &sampling.min_p},
        NumberRow{"--repeat-penalty", &sampling.repeat_penalty}, NumberRow{"--presence-penalty", &sampling.presence_penalty},
        NumberRow{"--frequency-penalty", &sampling.frequency_penalty}}) {
    JANG_ASSIGN(*row.value, parse_number(arguments.value(row.name), row.name));
  }
  JANG_ASSIGN(const std::int64_t top_k, parse_integer(arguments.value("--top-k"), "--top-k", 0, INT32_MAX));
  sampling.top_k = static_cast<std::int32_t>(top_k);
  JANG_ASSIGN(const std::int64_t last_n, parse_integer(arguments.value("--repeat-last-n"), "--repeat-last-n", -1, INT32_MAX));
  sampling.repeat_last_n = static_cast<std::int32_t>(last_n);
  JANG_ASSIGN(const std::int64_t seed, parse_integer(arguments.value("--seed"), "--seed", -1, INT64_MAX));
  sampling.seed = seed >= 0 ? static_cast<std::uint64_t>(seed) : (std::uint64_t{std::random_device{}()} << 32) ^ std::random_device{}();
  JANG_TRY(check_options(sampling));
  JANG_ASSIGN(o.limits.max_tokens, parse_integer(arguments.value("--predict"), "--predict", -1, std::int64_t{1} << 32));
  JANG_ASSIGN(o.session.context_length, parse_integer(arguments.value("--ctx-size"), "--ctx-size", 0, std::int64_t{1} << 32));
  JANG_ASSIGN(o.session.prompt_chunk, parse_integer(arguments.value("--batch-size"), "--batch-size", 1, 65536));
  o.limits.ignore_end = arguments.has("--ignore-eos");
  return o;
}

CacheType cache_type_of(std::string_view name) {
  if (name == "f32") return CacheType::f32;
  if (name == "f16") return CacheType::f16;
  if (name == "bf16") return CacheType::bf16;
  if (name == "q8") return CacheType::q8;
  return CacheType::automatic;
}

Result<ModelOptions> model_options(const Arguments& arguments) {
  ModelOptions o;
  if (arguments.has("--threads")) {
    JANG_ASSIGN(const std::int64_t threads, parse_integer(arguments.value("--threads"), "--threads", 1, 1024));
    o.threads = static_cast<int>(threads);
  }
  o.lenient = arguments.has("--lenient");
  if (const std::string backend = arguments.value("--backend"); backend != "auto") o.backend = backend;
  o.arithmetic = arguments.has("--exact") ? Arithmetic::exact : Arithmetic::fast;
  o.cache = cache_type_of(arguments.value("--kv"));
  return o;
}

Result<Model> open_named_model(const std::string& typed, const Surroundings& surroundings, ModelOptions options) {
  const Result<std::string> directory = find_model(typed, surroundings.hub);
  if (!directory.ok()) return as_input_failure(directory.status());
  NotePrinter printer(surroundings.stderr_color);
  options.observer = &printer;
  Result<Model> model = Model::open(directory.value(), options);
  if (!model.ok()) return as_input_failure(model.status());
  return model;
}

void NotePrinter::warn(std::string_view message) {
  print_message(fmt::format("{}{}\n", styled("warning: ", Style::yellow, color_), printable(message)));
}

void NotePrinter::info(std::string_view message) { print_cache_note(message); }

void tell_of_wider_cache(const Session& session, bool* told) {
  if (!session.cache_widened() || *told) return;
  *told = true;
  print_cache_note(kWiderCacheNote);
}

std::string timings_text(const Timings& t) {
  return fmt::format("prompt {} tokens{}, {:.1f} tokens/s; answer {} tokens, {:.1f} tokens/s", t.prompt_tokens,
                     t.reused_tokens > 0 ? fmt::format(" (and {} kept)", t.reused_tokens) : "",
                     per_second(t.prompt_tokens, t.prompt_seconds), t.generated_tokens,
                     per_second(t.generated_tokens, t.generation_seconds));
}

Json timings_json(const Timings& t) {
  return {{"prompt_n", t.prompt_tokens},
          {"cache_n", t.reused_tokens},
          {"prompt_ms", 1e3 * t.prompt_seconds},
          {"prompt_per_second", per_second(t.prompt_tokens, t.prompt_seconds)},
          {"predicted_n", t.generated_tokens},
          {"predicted_ms", 1e3 * t.generation_seconds},
          {"predicted_per_second", per_second(t.generated_tokens, t.generation_seconds)}};
}

}  // namespace jang::cli
