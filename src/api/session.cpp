// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/session.h"

#include <fmt/format.h>

#include "api/access.h"
#include "engine/answer.h"
#include "engine/generator.h"
#include "engine/wider_cache.h"

namespace jang {

static_assert(kWiderCacheNote == engine::kWiderCacheNote);

Status check_options(const SamplingOptions& options) { return engine::validate(options); }

struct Session::Impl {
  Impl(const Model& of, const text::Tokenizer& with, const SessionOptions& options, std::int64_t context)
      : model(of), tokenizer(with), generator(Access::engine(of), options.sampling, options.prompt_chunk), context_length(context) {}

  Model model;
  const text::Tokenizer& tokenizer;  // the model's
  engine::Generator generator;
  std::int64_t context_length;
};

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::create(const Model& model, const SessionOptions& options) {
  JANG_TRY(check_options(options.sampling));
  if (options.context_length < 0 || options.prompt_chunk < 1)
    return Status(StatusCode::invalid_argument,
                  fmt::format("a context of {} tokens, computed {} at a time, is none", options.context_length, options.prompt_chunk));
  JANG_ASSIGN(const text::Tokenizer* tokenizer, Access::engine(model).tokenizer());
  const std::int64_t context = options.context_length > 0 ? options.context_length : model.context_length();
  return Session(std::make_unique<Impl>(model, *tokenizer, options, context));
}

Status Session::set_prompt(std::span<const std::int32_t> tokens, const CancelFlag* cancel) {
  const auto n = static_cast<std::int64_t>(tokens.size());
  if (n >= impl_->context_length)
    return {StatusCode::invalid_argument, fmt::format("the prompt has {} tokens, the context {}", n, impl_->context_length)};
  return impl_->generator.set_prompt(tokens, cancel);
}

Result<Answer> Session::generate(const Receiver& receiver, const AnswerLimits& limits, const CancelFlag* cancel) {
  if (tokens().empty()) return Status(StatusCode::invalid_argument, "an answer needs a prompt before it");
  if (!receiver) return Status(StatusCode::invalid_argument, "an answer needs somebody who receives it");
  return engine::stream_answer(impl_->generator, impl_->tokenizer, limits, impl_->context_length, cancel, receiver);
}

const std::vector<std::int32_t>& Session::tokens() const { return impl_->generator.tokens(); }
const Timings& Session::timings() const { return impl_->generator.timings(); }
std::int64_t Session::context_length() const { return impl_->context_length; }
bool Session::cache_widened() const { return impl_->generator.widened(); }

}  // namespace jang
