// SPDX-License-Identifier: Apache-2.0
// An engine as a LanguageModel, and text as its tokenizer sees it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "eval/choice.h"
#include "eval/language_model.h"
#include "jang/status.h"

namespace jang::eval {

class EngineModel final : public LanguageModel {
 public:
  // `engine` outlives this. `kv_type`: of the caches, where it is to be another than the engine's.
  explicit EngineModel(engine::Engine& engine, std::optional<kernels::KvType> kv_type = std::nullopt)
      : engine_(engine), kv_type_(kv_type) {}
  [[nodiscard]] std::int64_t vocab_size() const override;
  [[nodiscard]] std::int64_t hidden_size() const override;
  [[nodiscard]] std::int64_t max_context() const override;
  [[nodiscard]] std::unique_ptr<Context> new_context() const override;
  [[nodiscard]] Status extend(std::span<const Extension> batch, std::vector<float>* hidden) override;
  [[nodiscard]] Status logits(const float* hidden, std::int64_t n, float* out) override;
  [[nodiscard]] ThreadPool& pool() override { return engine_.pool(); }

 private:
  engine::Engine& engine_;
  std::optional<kernels::KvType> kv_type_;
};

// The whole text as one stream: special tokens recognised, a begin token in front if the tokenizer adds one.
struct TokenStream {
  Tokens tokens;
  std::int32_t begin_token = -1;  // what the tokenizer puts in front of a text; -1: nothing
};
// Reads and encodes a file or a pipe (base/text_input.h); at most `max_tokens` tokens are kept when it is positive. Errors: those of
// reading (at most 1 GB), corrupt (not UTF-8), those of the tokenizer.
[[nodiscard]] Result<TokenStream> read_token_stream(const engine::Engine& engine, const std::string& path, std::int64_t max_tokens);

// Encodes task texts; the engine outlives it.
[[nodiscard]] Result<Encode> task_encoder(const engine::Engine& engine);
// Token that stands in for an empty context: the begin token, else the first end-of-text token, else -1.
[[nodiscard]] Result<std::int32_t> start_token(const engine::Engine& engine);

}  // namespace jang::eval
