// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/tokenizer.h"

#include "api/access.h"

namespace jang {

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Result<Tokenizer> Tokenizer::open(const std::string& path) {
  JANG_ASSIGN(text::Tokenizer tokenizer, text::Tokenizer::load(path));
  return Access::wrap(std::make_shared<const text::Tokenizer>(std::move(tokenizer)));
}

Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view utf8, const EncodeOptions& options) const {
  return impl_->tokenizer->encode(utf8, {.add_special_tokens = options.add_special_tokens, .parse_special = options.parse_special});
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  return impl_->tokenizer->decode(ids, skip_special);
}

std::int32_t Tokenizer::vocab_size() const { return impl_->tokenizer->vocab_size(); }
std::optional<std::int32_t> Tokenizer::token_id(std::string_view token) const { return impl_->tokenizer->token_id(token); }
std::string_view Tokenizer::token_text(std::int32_t id) const { return impl_->tokenizer->token_text(id); }
bool Tokenizer::is_special(std::int32_t id) const { return impl_->tokenizer->is_special(id); }

struct Detokenizer::Impl {
  Tokenizer tokenizer;
  text::Detokenizer detokenizer;
};

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special)
    : impl_(std::make_unique<Impl>(Impl{tokenizer, text::Detokenizer(Access::tokenizer(tokenizer), skip_special)})) {}
Detokenizer::Detokenizer(Detokenizer&&) noexcept = default;
Detokenizer& Detokenizer::operator=(Detokenizer&&) noexcept = default;
Detokenizer::~Detokenizer() = default;

std::string Detokenizer::push(std::int32_t id) { return impl_->detokenizer.push(id); }
std::string Detokenizer::flush() { return impl_->detokenizer.flush(); }

}  // namespace jang
