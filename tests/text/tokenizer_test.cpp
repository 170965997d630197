// SPDX-License-Identifier: Apache-2.0
// Tokenizers made of a few pieces, so that every component shows in the ids.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace jang::text {
namespace {

using Ids = std::vector<std::int32_t>;

const std::string kModel = std::string(JANG_SOURCE_DIR) + "/examples/gutenberg-moe-9m";

Tokenizer load_example() {
  Result<Tokenizer> tokenizer = Tokenizer::load(kModel);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return std::move(tokenizer).value();
}

TEST(Tokenizer, example_model_has_the_ids_of_the_library) {
  const Tokenizer tokenizer = load_example();
  EXPECT_EQ(tokenizer.vocab_size(), 4096);
  const Result<Ids> ids = tokenizer.encode("Hello world, it's 2024! \xe4\xbd\xa0\xe5\xa5\xbd <|endoftext|>");
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(*ids, (Ids{42, 510, 81, 1015, 14, 329, 374, 223, 20, 18, 20, 22, 3, 223, 163, 124, 257, 164, 101, 124, 223, 0}));
  EXPECT_EQ(tokenizer.decode(*ids), "Hello world, it's 2024! \xe4\xbd\xa0\xe5\xa5\xbd ");
  EXPECT_EQ(tokenizer.decode(*ids, false), "Hello world, it's 2024! \xe4\xbd\xa0\xe5\xa5\xbd <|endoftext|>");
}

TEST(Tokenizer, special_text_stays_text_when_asked) {
  const Tokenizer tokenizer = load_example();
  const Result<Ids> ids = tokenizer.encode("<|endoftext|>", {.parse_special = false});
  ASSERT_TRUE(ids.ok());
  EXPECT_GT(ids->size(), 3u);
  EXPECT_EQ(tokenizer.decode(*ids), "<|endoftext|>");
}

}  // namespace
}  // namespace jang::text
