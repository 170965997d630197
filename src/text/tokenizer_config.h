// SPDX-License-Identifier: Apache-2.0
// What the files beside tokenizer.json change about it when transformers opens a model directory: tokens that are added only there, and
// add_prefix_space. Rules of transformers 5; tests/oracle/check_tokenizer.py compares.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"
#include "json/json.h"
#include "text/tokenizer/added_tokens.h"

namespace jang::text {

class TokenizerConfig {
 public:
  // Nothing is changed.
  TokenizerConfig() = default;

  // The JSON of tokenizer_config.json, special_tokens_map.json and added_tokens.json, null where there is no such file. Parts that make no
  // sense are passed over: a model whose tokenizer.json is sound still opens.
  TokenizerConfig(const json::Value& config, const json::Value& special_tokens_map, const json::Value& added_tokens);

  // Reads the three files of a model directory. Errors: corrupt (a file that is not JSON, or a Git LFS pointer), io.
  [[nodiscard]] static Result<TokenizerConfig> read(const std::string& directory);

  // Appends the tokens that are added behind those of tokenizer.json. The ids in the files have no say, see AddedTokens::make.
  void append_to(std::vector<AddedToken>& tokens) const;

  // Changes a section of tokenizer.json ("normalizer", "pre_tokenizer", "decoder") as add_prefix_space asks. transformers builds these
  // sections anew for the classes of known families and then follows add_prefix_space; the generic class (PreTrainedTokenizerFast, or none
  // named) takes tokenizer.json as it is.
  void edit_section(std::string_view name, json::Value& section) const;

 private:
  void read_added(const json::Value& config, const json::Value& special_tokens_map, const json::Value& added_tokens);

  std::vector<AddedToken> added_;    // these replace a token of the same text
  std::vector<AddedToken> special_;  // these do not
  std::optional<bool> prefix_space_;
  bool is_llama_ = false;  // the Llama class leaves byte-level tokenizers as they are
  bool legacy_ = false;
};

}  // namespace jang::text
