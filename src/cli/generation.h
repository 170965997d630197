// SPDX-License-Identifier: Apache-2.0
// What run and chat have in common: options named and defaulted as in llama.cpp, the model opened, timings told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/json.h"
#include "cli/terminal.h"
#include "jang/generation.h"
#include "jang/model.h"
#include "jang/session.h"

namespace jang::cli {

struct GenerationOptions {
  SessionOptions session;
  AnswerLimits limits;
};
// Errors: invalid_argument, naming the option.
[[nodiscard]] Result<GenerationOptions> generation_options(const Arguments& arguments);
// "f16" and so on; anything else is automatic.
[[nodiscard]] CacheType cache_type_of(std::string_view name);
[[nodiscard]] Result<ModelOptions> model_options(const Arguments& arguments);
// Resolves and opens what the user typed, what is odd about it told on stderr; errors are about the input.
[[nodiscard]] Result<Model> open_named_model(const std::string& typed, const Surroundings& surroundings, ModelOptions options);

// Prints what the library says while it works: warnings, and that the automatic cache was too narrow, with the option that begins wider.
class NotePrinter final : public SilentObserver {
 public:
  explicit NotePrinter(bool color) : color_(color) {}
  void warn(std::string_view message) override;
  void info(std::string_view message) override;

 private:
  bool color_;
};
// Says that a session has changed its cache, once.
void tell_of_wider_cache(const Session& session, bool* told);

// "prompt 12 tokens, 340.1 tokens/s; answer 128 tokens, 45.2 tokens/s"
[[nodiscard]] std::string timings_text(const Timings& timings);
[[nodiscard]] Json timings_json(const Timings& timings);

}  // namespace jang::cli
