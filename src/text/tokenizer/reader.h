// SPDX-License-Identifier: Apache-2.0
// tokenizer.json to a Tokenizer.
#pragma once

#include <string_view>

#include "jang/status.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"

namespace jang::text {

class TokenizerReader {
 public:
  // `text` is the file, named `what` in messages, and followed by simdjson's padding when `padded`. Errors: those of Tokenizer::parse.
  [[nodiscard]] static Result<Tokenizer> read(std::string_view text, std::string_view what, const TokenizerConfig& config, bool padded);

 private:
  struct Steps;
};

}  // namespace jang::text
