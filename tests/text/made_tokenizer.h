// SPDX-License-Identifier: Apache-2.0
// tokenizer.json texts for tests, put together from sections.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace jang::text {

using Ids = std::vector<std::int32_t>;

struct Sections {
  std::string model;
  std::string normalizer = "null", pre_tokenizer = "null", post_processor = "null", decoder = "null", added_tokens = "[]";

  [[nodiscard]] std::string json() const {
    return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)" + added_tokens + R"(,"normalizer":)" + normalizer +
           R"(,"pre_tokenizer":)" + pre_tokenizer + R"(,"post_processor":)" + post_processor + R"(,"decoder":)" + decoder + R"(,"model":)" +
           model + "}";
  }
};

// Model whose ids are the letters' places in the alphabet, 0 for every other piece: shows the pieces of a text.
inline std::string word_model(const std::vector<std::string>& words) {
  std::string vocab = R"({"?":0)";
  for (std::size_t i = 0; i < words.size(); ++i) vocab += ",\"" + words[i] + "\":" + std::to_string(i + 1);
  return R"({"type":"WordLevel","unk_token":"?","vocab":)" + vocab + "}}";
}

inline Tokenizer make(const Sections& sections) {
  Result<Tokenizer> tokenizer = Tokenizer::parse(sections.json(), "test");
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status().message();
    tokenizer = Tokenizer::parse(Sections{.model = word_model({})}.json(), "fallback");
  }
  return std::move(tokenizer).value();
}

inline Ids encode(const Tokenizer& tokenizer, std::string_view text, const Tokenizer::EncodeOptions& options = {}) {
  const Result<Ids> ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *ids : Ids{};
}

inline Status parse_status(const std::string& json) { return Tokenizer::parse(json, "test").status(); }

}  // namespace jang::text
