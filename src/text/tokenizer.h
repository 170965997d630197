// SPDX-License-Identifier: Apache-2.0
// Tokenizers as Hugging Face's tokenizer.json describes them: text to token ids and back.
//
// Encoding: added tokens are cut out of the raw text; what lies between is normalized, cut at normalized added tokens, pre-tokenized, and
// the model turns each piece into ids; the post-processor puts bos and eos around. Ids are those of the `tokenizers` library 0.23. The
// file's "truncation" and "padding" are not applied: they are about training batches, and transformers ignores them too.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/decoder.h"

namespace jang::text {

class TokenizerConfig;

class Tokenizer {
 public:
  // tokenizer.json of Hugging Face tokenizers, with what other files of its directory change (tokenizer_config.h). `what` names it in
  // messages. Errors: corrupt, unsupported (naming the component), invalid_argument (size), out_of_memory.
  static Result<Tokenizer> parse(std::string_view json_text, std::string_view what);
  static Result<Tokenizer> parse(std::string_view json_text, std::string_view what, const TokenizerConfig& config);
  // A model directory, with its side files; or tokenizer.json itself, alone. Errors: not_found, unsupported (a directory with a vocabulary
  // in another format only; the message says how to convert it), io, those of parse and TokenizerConfig::read.
  static Result<Tokenizer> load(const std::string& path);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  struct EncodeOptions {
    bool add_special_tokens = true;  // bos and eos as the tokenizer's own encode adds them
    bool parse_special = true;       // text that spells a special added token becomes it
  };
  // Time: O(n log n), for pieces of any length. Thread safe. Errors: corrupt (invalid UTF-8, a character the model has no token for),
  // unsupported (more than 256 MiB, a regex that gave up), out_of_memory.
  [[nodiscard]] Result<std::vector<std::int32_t>> encode(std::string_view utf8, const EncodeOptions& options) const;
  [[nodiscard]] Result<std::vector<std::int32_t>> encode(std::string_view utf8) const;

  // The text of a template that holds text of somebody else. `foreign`: the ranges of the latter, sorted, disjoint, not empty. Special
  // tokens, and the `control` ones beside them, come out only where the template spells their first and last byte. All else is as encode()
  // has it with parse_special; nothing is added around. Plain text that the vocabulary holds as a control token's piece is cut before it is
  // encoded; only a piece of one character cannot be. Errors: those of encode.
  [[nodiscard]] Result<std::vector<std::int32_t>> encode_guarded(std::string_view utf8, std::vector<ByteRange> foreign,
                                                                 std::span<const std::int32_t> control) const;
  // Ids of the added tokens that occur in `text` without being special, those of white space left out.
  [[nodiscard]] std::vector<std::int32_t> added_tokens_in(std::string_view text) const;

  // Ids without a token are left out. Always valid UTF-8: bytes that form no character become U+FFFD.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const;

  // One past the largest id, added tokens included.
  [[nodiscard]] std::int32_t vocab_size() const;
  // Vocabulary or added token by exact text.
  [[nodiscard]] std::optional<std::int32_t> token_id(std::string_view token) const;
  // The raw piece; empty when unknown. Lives as long as the tokenizer.
  [[nodiscard]] std::string_view token_text(std::int32_t id) const;
  [[nodiscard]] bool is_special(std::int32_t id) const;

 private:
  friend class Detokenizer;
  friend class TokenizerReader;
  class Encoder;
  struct Parts;
  Tokenizer();
  [[nodiscard]] Result<std::vector<std::int32_t>> run_encoder(std::string_view utf8, bool parse_special,
                                                              const AddedTokens::Guard* guard) const;
  // What the decoder gets for an id, nullopt when it gets nothing.
  [[nodiscard]] std::optional<std::string_view> decoder_text(std::int32_t id, bool skip_special) const;
  std::unique_ptr<const Parts> parts_;
};

// Ids to text as they come. Each push returns what can no longer change, complete characters only; all that push and flush return, joined,
// is Tokenizer::decode of the ids. The tokenizer must outlive it.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true);
  // Starts behind a prompt: what push and flush return is then decode(prompt and ids) without decode(prompt), so that an answer keeps its
  // first space. Where the ids change how the end of the prompt decodes (bytes of a character that is not one), what is equal is left out.
  void start_behind(std::span<const std::int32_t> prompt);
  [[nodiscard]] std::string push(std::int32_t id);
  // What is left, invalid bytes as U+FFFD. The next push starts a new text.
  [[nodiscard]] std::string flush();

 private:
  [[nodiscard]] std::string take();

  const Tokenizer* tokenizer_;
  bool skip_special_;
  DecodeStream stream_;
  std::string prompt_rest_;  // of the prompt's text, what the stream holds back
};

}  // namespace jang::text
