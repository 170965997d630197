// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back, as a model's tokenizer.json says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jang/export.h"
#include "jang/status.h"

namespace jang {

struct EncodeOptions {
  bool add_special_tokens = true;  // begin and end tokens as the tokenizer's own encode adds them
  bool parse_special = true;       // text that spells a special token becomes it
};

// A handle: copies share one tokenizer, which lives as long as any of them. Thread safe.
class JANG_API Tokenizer {
 public:
  // A model directory, or a tokenizer.json. Errors: not_found, corrupt, unsupported (naming the component), io, out_of_memory.
  [[nodiscard]] static Result<Tokenizer> open(const std::string& path);

  // O(n log n). Errors: corrupt (invalid UTF-8, a character the model has no token for), unsupported (more than 256 MiB), out_of_memory.
  [[nodiscard]] Result<std::vector<std::int32_t>> encode(std::string_view utf8, const EncodeOptions& options = {}) const;
  // Ids without a token are left out. Always valid UTF-8: bytes that form no character become U+FFFD.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const;

  // One past the largest id.
  [[nodiscard]] std::int32_t vocab_size() const;
  // By exact text.
  [[nodiscard]] std::optional<std::int32_t> token_id(std::string_view token) const;
  // The raw piece; empty when unknown. Lives as long as the tokenizer.
  [[nodiscard]] std::string_view token_text(std::int32_t id) const;
  [[nodiscard]] bool is_special(std::int32_t id) const;

 private:
  friend struct Access;
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

// Ids to text as they come: complete characters only, and only what can no longer change. Not thread safe.
class JANG_API Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true);
  Detokenizer(Detokenizer&&) noexcept;
  Detokenizer& operator=(Detokenizer&&) noexcept;
  ~Detokenizer();
  [[nodiscard]] std::string push(std::int32_t id);
  // What is left, invalid bytes as U+FFFD. The next push starts a new text.
  [[nodiscard]] std::string flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jang
