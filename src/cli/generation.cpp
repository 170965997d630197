// SPDX-License-Identifier: Apache-2.0
// Options to values, and the loop behind run and chat.
#include "cli/generation.h"

#include <charconv>
#include <cmath>
#include <random>

#include <fmt/format.h>

#include "cli/failure.h"
#include "cli/units.h"
#include "engine/wider_cache.h"
#include "text/tokenizer.h"

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

// Warnings go to stderr as they come; the rest of what loading tells is swallowed.
class WarningPrinter final : public SilentObserver {
 public:
  explicit WarningPrinter(bool color) : color_(color) {}
  void warn(std::string_view message) override {
    print_message(fmt::format("{}{}\n", styled("warning: ", Style::yellow, color_), printable(message)));
  }

 private:
  bool color_;
};

}  // namespace

Result<GenerationOptions> generation_options(const Arguments& arguments) {
  GenerationOptions o;
  struct NumberRow {
    std::string_view name;
    double* value;
  };
  for (const NumberRow& row :
       {NumberRow{"--temp", &o.sampling.temperature}, NumberRow{"--top-p", &o.sampling.top_p}, NumberRow{"--min-p", &o.sampling.min_p},
        NumberRow{"--repeat-penalty", &o.sampling.repeat_penalty}, NumberRow{"--presence-penalty", &o.sampling.presence_penalty},
        NumberRow{"--frequency-penalty", &o.sampling.frequency_penalty}}) {
    JANG_ASSIGN(*row.value, parse_number(arguments.value(row.name), row.name));
  }
  JANG_ASSIGN(const std::int64_t top_k, parse_integer(arguments.value("--top-k"), "--top-k", 0, INT32_MAX));
  o.sampling.top_k = static_cast<std::int32_t>(top_k);
  JANG_ASSIGN(const std::int64_t last_n, parse_integer(arguments.value("--repeat-last-n"), "--repeat-last-n", -1, INT32_MAX));
  o.sampling.repeat_last_n = static_cast<std::int32_t>(last_n);
  JANG_ASSIGN(const std::int64_t seed, parse_integer(arguments.value("--seed"), "--seed", -1, INT64_MAX));
  o.sampling.seed = seed >= 0 ? static_cast<std::uint64_t>(seed) : (std::uint64_t{std::random_device{}()} << 32) ^ std::random_device{}();
  JANG_TRY(engine::validate(o.sampling));
  JANG_ASSIGN(o.n_predict, parse_integer(arguments.value("--predict"), "--predict", -1, std::int64_t{1} << 32));
  JANG_ASSIGN(o.context, parse_integer(arguments.value("--ctx-size"), "--ctx-size", 0, std::int64_t{1} << 32));
  JANG_ASSIGN(o.chunk, parse_integer(arguments.value("--batch-size"), "--batch-size", 1, 65536));
  o.ignore_end = arguments.has("--ignore-eos");
  return o;
}

Result<engine::LoadOptions> load_options(const Arguments& arguments) {
  engine::LoadOptions o;
  if (arguments.has("--threads")) {
    JANG_ASSIGN(const std::int64_t threads, parse_integer(arguments.value("--threads"), "--threads", 1, 1024));
    o.n_threads = static_cast<int>(threads);
  }
  o.lenient = arguments.has("--lenient");
  if (const std::string backend = arguments.value("--backend"); backend != "auto") o.backend = backend;
  o.precision = arguments.has("--exact") ? kernels::Precision::exact : kernels::Precision::fast;
  const std::string kv = arguments.value("--kv");
  if (kv == "f32") o.kv_type = kernels::KvType::f32;
  if (kv == "f16") o.kv_type = kernels::KvType::f16;
  if (kv == "bf16") o.kv_type = kernels::KvType::bf16;
  if (kv == "q8") o.kv_type = kernels::KvType::q8;
  return o;
}

Result<std::unique_ptr<engine::Engine>> load_named_model(const std::string& typed, const Surroundings& surroundings,
                                                         engine::LoadOptions options) {
  const Result<std::string> directory = format::resolve_model(typed, surroundings.hub);
  if (!directory.ok()) return as_input_failure(directory.status());
  WarningPrinter printer(surroundings.stderr_color);
  options.observer = &printer;
  Result<std::unique_ptr<engine::Engine>> engine = engine::Engine::load(directory.value(), options);
  if (!engine.ok()) return as_input_failure(engine.status());
  return engine;
}

void print_cache_note(std::string_view note) { print_message(fmt::format("note: {}, as with --kv bf16\n", note)); }

void tell_of_wider_cache(const engine::Generator& generator, bool* told) {
  if (!generator.widened() || *told) return;
  *told = true;
  print_cache_note(engine::kWiderCacheNote);
}

std::int64_t context_of(engine::Engine& engine, const GenerationOptions& options) {
  if (options.context > 0) return options.context;
  return std::max<std::int64_t>(engine.decoder().config().max_positions, 1);
}

Result<Answer> stream_answer(engine::Generator& generator, const text::Tokenizer& tokenizer, const GenerationOptions& options,
                             std::int64_t context, const CancelFlag& cancel, const std::function<bool(std::string_view)>& emit) {
  Answer answer;
  text::Detokenizer detokenizer(tokenizer);
  detokenizer.start_behind(generator.tokens());
  while (answer.stopped_by.empty()) {
    if (options.n_predict >= 0 && static_cast<std::int64_t>(answer.ids.size()) >= options.n_predict) {
      answer.stopped_by = "length";
    } else if (static_cast<std::int64_t>(generator.tokens().size()) >= context) {
      answer.stopped_by = "context";
    } else if (cancel.load(std::memory_order_relaxed)) {
      answer.stopped_by = "interrupt";
    } else {
      JANG_ASSIGN(const std::int32_t id, generator.next());
      answer.ids.push_back(id);
      if (generator.is_end(id) && !options.ignore_end) {
        answer.stopped_by = "end";
        break;
      }
      const std::string piece = detokenizer.push(id);
      answer.text += piece;
      if (!piece.empty() && !emit(piece)) answer.stopped_by = "interrupt";
    }
  }
  const std::string rest = detokenizer.flush();
  answer.text += rest;
  if (!rest.empty()) (void)emit(rest);
  return answer;
}

std::string timings_text(const engine::Timings& t) {
  return fmt::format("prompt {} tokens{}, {:.1f} tokens/s; answer {} tokens, {:.1f} tokens/s", t.prompt_tokens,
                     t.reused_tokens > 0 ? fmt::format(" (and {} kept)", t.reused_tokens) : "",
                     per_second(t.prompt_tokens, t.prompt_seconds), t.generated_tokens,
                     per_second(t.generated_tokens, t.generation_seconds));
}

json::Value timings_json(const engine::Timings& t) {
  return {{"prompt_n", t.prompt_tokens},
          {"cache_n", t.reused_tokens},
          {"prompt_ms", 1e3 * t.prompt_seconds},
          {"prompt_per_second", per_second(t.prompt_tokens, t.prompt_seconds)},
          {"predicted_n", t.generated_tokens},
          {"predicted_ms", 1e3 * t.generation_seconds},
          {"predicted_per_second", per_second(t.generated_tokens, t.generation_seconds)}};
}

}  // namespace jang::cli
