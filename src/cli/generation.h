// SPDX-License-Identifier: Apache-2.0
// What run and chat have in common: options named and defaulted as in llama.cpp, the model loaded, an answer streamed, timings told.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/terminal.h"
#include "engine/engine.h"
#include "engine/generator.h"

namespace jang::cli {

struct GenerationOptions {
  engine::SamplingOptions sampling;
  std::int64_t n_predict = -1;  // tokens at most; -1: until the text ends or the context is full
  std::int64_t context = 0;     // tokens of prompt and answer; 0: what the model was trained for
  std::int64_t chunk = 512;
  bool ignore_end = false;
};
// Errors: invalid_argument, naming the option.
[[nodiscard]] Result<GenerationOptions> generation_options(const Arguments& arguments);
[[nodiscard]] Result<engine::LoadOptions> load_options(const Arguments& arguments);
// Resolves and loads what the user typed, what is odd about it told on stderr; errors are about the input.
[[nodiscard]] Result<std::unique_ptr<engine::Engine>> load_named_model(const std::string& typed, const Surroundings& surroundings,
                                                                       engine::LoadOptions options);

struct Answer {
  std::string text;
  std::vector<std::int32_t> ids;
  std::string_view stopped_by;  // "end", "length", "context", "interrupt"
};
// Generates behind the generator's prompt until the text ends, a limit is reached or `cancel` is set; `emit` gets text as it becomes
// certain, complete characters only, and says whether to go on. The text is what the ids add to that of the prompt, so it may begin with a
// space. Errors: those of Generator::next.
[[nodiscard]] Result<Answer> stream_answer(engine::Generator& generator, const text::Tokenizer& tokenizer, const GenerationOptions& options,
                                           std::int64_t context, const CancelFlag& cancel,
                                           const std::function<bool(std::string_view)>& emit);
// Says on stderr that the default cache was too narrow, and which option begins with a wider one.
void print_cache_note(std::string_view note);
// The same for a generator that has changed its cache, once.
void tell_of_wider_cache(const engine::Generator& generator, bool* told);
// Context in tokens: as asked, else the model's.
[[nodiscard]] std::int64_t context_of(engine::Engine& engine, const GenerationOptions& options);

// "prompt 12 tokens, 340.1 tokens/s; answer 128 tokens, 45.2 tokens/s"
[[nodiscard]] std::string timings_text(const engine::Timings& timings);
[[nodiscard]] json::Value timings_json(const engine::Timings& timings);

}  // namespace jang::cli
