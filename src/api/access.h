// SPDX-License-Identifier: Apache-2.0
// What stands behind the handles of the public API. Inside src/api only.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "jang/chat_template.h"
#include "jang/model.h"
#include "jang/run_options.h"
#include "jang/tokenizer.h"
#include "quantize/convert.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace jang {

struct Model::Impl {
  std::unique_ptr<engine::Engine> engine;
  std::uint64_t parameters = 0;
};
struct Tokenizer::Impl {
  std::shared_ptr<const text::Tokenizer> tokenizer;
};
struct ChatTemplate::Impl {
  text::ChatTemplate program;
};

struct Access {
  [[nodiscard]] static engine::Engine& engine(const Model& model) { return *model.impl_->engine; }
  [[nodiscard]] static const text::Tokenizer& tokenizer(const Tokenizer& tokenizer) { return *tokenizer.impl_->tokenizer; }
  [[nodiscard]] static Tokenizer wrap(std::shared_ptr<const text::Tokenizer> tokenizer) {
    return Tokenizer(std::make_shared<const Tokenizer::Impl>(Tokenizer::Impl{std::move(tokenizer)}));
  }
  // The tokenizer of a model, which keeps the model alive.
  [[nodiscard]] static Tokenizer wrap(const Model& model, const text::Tokenizer* tokenizer) {
    return wrap(std::shared_ptr<const text::Tokenizer>(model.impl_, tokenizer));
  }
  [[nodiscard]] static ChatTemplate wrap(text::ChatTemplate program) {
    return ChatTemplate(std::make_shared<const ChatTemplate::Impl>(ChatTemplate::Impl{std::move(program)}));
  }
};

// A failure to open what was named: an invalid_argument there is about the input, not about the call.
[[nodiscard]] Status as_input_failure(const Status& status);
// Resolves a name and opens the source. Errors never are invalid_argument.
[[nodiscard]] Result<std::string> find_input(const std::string& name, const RunOptions& run);
// A path as a name that others can be made of: "out/" is "out".
[[nodiscard]] std::string without_trailing_slash(std::string path);
// The observer of the options, or one that swallows everything.
[[nodiscard]] Observer& observer_of(const RunOptions& run);
// Threads, backend, observer and cancel flag.
[[nodiscard]] quantize::RunOptions quantize_options(const RunOptions& run);
[[nodiscard]] engine::LoadOptions load_options(const RunOptions& run, kernels::Precision precision);

}  // namespace jang
