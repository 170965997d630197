// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "eval/engine_model.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "base/text_input.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

namespace jang::eval {
namespace {

constexpr std::size_t kMaxTextBytes = 1'000'000'000;

struct SequenceContext final : Context {
  explicit SequenceContext(model::Sequence s) : sequence(std::move(s)) {}
  [[nodiscard]] std::unique_ptr<Context> clone() const override { return std::make_unique<SequenceContext>(sequence.clone()); }
  model::Sequence sequence;
};

// What the tokenizer puts before any text, seen by encoding nothing.
Result<std::int32_t> begin_token(const text::Tokenizer& tokenizer) {
  JANG_ASSIGN(const Tokens with, tokenizer.encode("", {.add_special_tokens = true, .parse_special = true}));
  return with.empty() ? std::int32_t{-1} : with.front();
}

}  // namespace

std::int64_t EngineModel::vocab_size() const { return engine_.decoder().config().vocab; }
std::int64_t EngineModel::hidden_size() const { return engine_.decoder().config().hidden; }
std::int64_t EngineModel::max_context() const { return engine_.decoder().config().max_positions; }

std::unique_ptr<Context> EngineModel::new_context() const { return std::make_unique<SequenceContext>(engine_.new_sequence(kv_type_)); }

Status EngineModel::extend(std::span<const Extension> batch, std::vector<float>* hidden) {
  std::vector<model::BatchItem> items;
  Tokens tokens;
  for (const Extension& e : batch) {
    JANG_CHECK(!e.tokens.empty());
    items.push_back({&static_cast<SequenceContext*>(e.context)->sequence, static_cast<std::int64_t>(e.tokens.size())});
    tokens.insert(tokens.end(), e.tokens.begin(), e.tokens.end());
  }
  return engine_.forward(items, tokens, hidden);
}

Status EngineModel::logits(const float* hidden, std::int64_t n, float* out) { return engine_.logits(hidden, n, out); }

Result<TokenStream> read_token_stream(const engine::Engine& engine, const std::string& path, std::int64_t max_tokens) {
  JANG_ASSIGN(const std::string text, read_text_input(path, kMaxTextBytes));
  if (const std::size_t at = utf8::find_invalid(text); at != std::string_view::npos)
    return Status(StatusCode::corrupt, fmt::format("{}: not UTF-8 at byte {}", path, at));
  JANG_ASSIGN(const text::Tokenizer* const tokenizer, engine.tokenizer());
  TokenStream stream;
  JANG_ASSIGN(stream.tokens, tokenizer->encode(text, {.add_special_tokens = true, .parse_special = true}));
  if (max_tokens > 0 && stream.tokens.size() > static_cast<std::size_t>(max_tokens))
    stream.tokens.resize(static_cast<std::size_t>(max_tokens));
  JANG_ASSIGN(stream.begin_token, begin_token(*tokenizer));
  return stream;
}

Result<Encode> task_encoder(const engine::Engine& engine) {
  JANG_ASSIGN(const text::Tokenizer* const tokenizer, engine.tokenizer());
  return Encode([tokenizer](std::string_view text) -> Result<Tokens> {
    return tokenizer->encode(text, {.add_special_tokens = true, .parse_special = false});
  });
}

Result<std::int32_t> start_token(const engine::Engine& engine) {
  JANG_ASSIGN(const text::Tokenizer* const tokenizer, engine.tokenizer());
  JANG_ASSIGN(const std::int32_t begin, begin_token(*tokenizer));
  if (begin >= 0) return begin;
  return engine.stop_ids().empty() ? std::int32_t{-1} : engine.stop_ids().front();
}

}  // namespace jang::eval
