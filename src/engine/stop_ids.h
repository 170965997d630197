// SPDX-License-Identifier: Apache-2.0
// Token ids that end a text, from the places where models say it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jang/status.h"
#include "json/json.h"

namespace jang::engine {

struct StopTokens {
  std::vector<std::int32_t> ids;      // ascending, each once
  std::vector<std::string> texts;     // named by text only (tokenizer_config.json without an added_tokens_decoder entry)
  std::vector<std::string> warnings;  // ids that no token has, which are ignored
  void add(std::int32_t id);
};

// generation_config.json and config.json: eos_token_id, a number or a list (config.json also in text_config); tokenizer_config.json:
// eos_token, with its id from added_tokens_decoder. Files that do not exist say nothing. Numbers that are no id below `vocab` end
// nothing, as in transformers and mlx-lm. Errors: corrupt (a file that is not JSON, something that is no number).
[[nodiscard]] Result<StopTokens> read_stop_tokens(const std::string& directory, const json::Value& config, std::int64_t vocab);

}  // namespace jang::engine
