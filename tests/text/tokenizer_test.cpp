// SPDX-License-Identifier: Apache-2.0
// The tokenizer as a whole: the example model, added tokens, post-processors, lookups.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "../support/bundled_model.h"
#include "made_tokenizer.h"

namespace jang::text {
namespace {

using test::kBundledModel;

Tokenizer load_example() {
  Result<Tokenizer> tokenizer = Tokenizer::load(kBundledModel);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return std::move(tokenizer).value();
}

constexpr std::string_view kGreeting = "Hello world, it's 2024! \xe4\xbd\xa0\xe5\xa5\xbd ";

TEST(Tokenizer, example_model_has_the_ids_of_the_library) {
  const Tokenizer tokenizer = load_example();
  EXPECT_EQ(tokenizer.vocab_size(), 4096);
  const Ids ids = encode(tokenizer, std::string(kGreeting) + "<|endoftext|>");
  EXPECT_EQ(ids, (Ids{42, 510, 81, 1015, 14, 329, 374, 223, 20, 18, 20, 22, 3, 223, 163, 124, 257, 164, 101, 124, 223, 0}));
  EXPECT_EQ(tokenizer.decode(ids), kGreeting);
  EXPECT_EQ(tokenizer.decode(ids, false), std::string(kGreeting) + "<|endoftext|>");
}

TEST(Tokenizer, special_text_stays_text_when_asked) {
  const Tokenizer tokenizer = load_example();
  const Ids ids = encode(tokenizer, "<|endoftext|>", {.parse_special = false});
  EXPECT_GT(ids.size(), 3u);
  EXPECT_EQ(tokenizer.decode(ids), "<|endoftext|>");
}

TEST(Tokenizer, tokens_are_found_both_ways) {
  const Tokenizer tokenizer = load_example();
  EXPECT_EQ(tokenizer.token_id("<|endoftext|>"), 0);
  EXPECT_EQ(tokenizer.token_text(0), "<|endoftext|>");
  EXPECT_TRUE(tokenizer.is_special(0));
  EXPECT_FALSE(tokenizer.is_special(42));
  EXPECT_FALSE(tokenizer.is_special(-1));
  EXPECT_EQ(tokenizer.token_id("no such piece"), std::nullopt);
  for (const std::int32_t id : {-1, 4096, 1 << 30}) EXPECT_EQ(tokenizer.token_text(id), "");
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) ASSERT_EQ(tokenizer.token_id(tokenizer.token_text(id)), id);
}

TEST(Tokenizer, unknown_ids_decode_to_nothing) {
  const Tokenizer tokenizer = load_example();
  EXPECT_EQ(tokenizer.decode(Ids{-5, 4096, 1 << 30}), "");
  EXPECT_EQ(tokenizer.decode(Ids{}), "");
}

TEST(Tokenizer, text_that_is_not_utf8_is_refused) {
  const Tokenizer tokenizer = load_example();
  for (const std::string_view bad : {"a\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe4\xbd", "\x80"}) {
    const Status status = tokenizer.encode(bad).status();
    EXPECT_EQ(status.code(), StatusCode::corrupt) << bad;
  }
  EXPECT_NE(tokenizer.encode("a\xff").status().message().find("byte 1"), std::string::npos);
}

TEST(Tokenizer, missing_files_are_named) {
  const Status status = Tokenizer::load("/no/such/tokenizer.json").status();
  EXPECT_EQ(status.code(), StatusCode::not_found);
  EXPECT_NE(status.message().find("/no/such/tokenizer.json"), std::string::npos);
}

TEST(Tokenizer, threads_may_share_it) {
  const Tokenizer tokenizer = load_example();
  const Ids expected = encode(tokenizer, kGreeting);
  std::vector<std::thread> threads;
  std::vector<int> same(4, 0);
  for (int& n : same)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) n += tokenizer.encode(kGreeting).value() == expected ? 1 : 0;
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(same, (std::vector<int>{50, 50, 50, 50}));
}

std::string added(std::string_view content, std::string_view flags = "") {
  return R"({"id":99,"content":")" + std::string(content) + "\"" + std::string(flags) + "}";
}

TEST(AddedTokens, ids_come_from_the_vocabulary_or_follow_it) {
  const Tokenizer tokenizer =
      make({.model = word_model({"a"}), .added_tokens = "[" + added("x") + "," + added("a") + "," + added("y") + "]"});
  EXPECT_EQ(tokenizer.token_id("x"), 2);  // the file says 99
  EXPECT_EQ(tokenizer.token_id("a"), 1);
  EXPECT_EQ(tokenizer.token_id("y"), 3);
  EXPECT_EQ(tokenizer.vocab_size(), 4);
}

TEST(AddedTokens, longest_match_wins_at_the_leftmost_place) {
  const std::string tokens = "[" + added("<a", R"(,"normalized":false)") + "," + added("<a>b", R"(,"normalized":false)") + "]";
  const Tokenizer tokenizer = make({.model = word_model({}), .added_tokens = tokens});
  EXPECT_EQ(encode(tokenizer, "<a>b<a>c"), (Ids{2, 1, 0}));
}

TEST(AddedTokens, single_word_does_not_match_inside_a_word) {
  const Tokenizer tokenizer = make({.model = word_model({}), .added_tokens = "[" + added("cat", R"(,"single_word":true)") + "]"});
  EXPECT_EQ(encode(tokenizer, "cat"), (Ids{1}));
  EXPECT_EQ(encode(tokenizer, "a cat!"), (Ids{0, 1, 0}));
  EXPECT_EQ(encode(tokenizer, "concat cats"), (Ids{0}));
  EXPECT_EQ(encode(tokenizer,
                   "\xc3\xa9"
                   "cat"),
            (Ids{0}));  // an accented letter is a word character
}

TEST(AddedTokens, strips_take_the_white_space_along) {
  const auto pieces = [](std::string_view flags) {
    const Tokenizer tokenizer = make({.model = word_model({"a", " a", "a ", " a "}), .added_tokens = "[" + added("<m>", flags) + "]"});
    return encode(tokenizer, "a <m> a");
  };
  EXPECT_EQ(pieces(""), (Ids{3, 5, 2}));
  EXPECT_EQ(pieces(R"(,"lstrip":true)"), (Ids{1, 5, 2}));
  EXPECT_EQ(pieces(R"(,"rstrip":true)"), (Ids{3, 5, 1}));
  EXPECT_EQ(pieces(R"(,"lstrip":true,"rstrip":true)"), (Ids{1, 5, 1}));
}

TEST(AddedTokens, normalized_tokens_match_normalized_text) {
  const Sections sections{.model = word_model({}), .normalizer = R"({"type":"Lowercase"})", .added_tokens = "[" + added("Day") + "]"};
  EXPECT_EQ(encode(make(sections), "DAYx"), (Ids{1, 0}));
}

TEST(AddedTokens, tokens_that_become_the_same_are_refused) {
  const Sections sections{
      .model = word_model({}), .normalizer = R"({"type":"Lowercase"})", .added_tokens = "[" + added("Day") + "," + added("day") + "]"};
  EXPECT_EQ(parse_status(sections.json()).code(), StatusCode::corrupt);
}

TEST(PostProcessor, template_puts_tokens_around) {
  const std::string processor =
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},)"
      R"({"SpecialToken":{"id":"e","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[1,2],"tokens":["a","b"]},)"
      R"("e":{"id":"e","ids":[3],"tokens":["e"]}}})";
  const Tokenizer tokenizer = make({.model = word_model({"a", "b", "e"}), .post_processor = processor});
  EXPECT_EQ(encode(tokenizer, "x"), (Ids{1, 2, 0, 3}));
  EXPECT_EQ(encode(tokenizer, ""), (Ids{1, 2, 3}));
  EXPECT_EQ(encode(tokenizer, "x", {.add_special_tokens = false}), (Ids{0}));
}

TEST(PostProcessor, bert_and_sequences_are_understood) {
  const std::string bert = R"({"type":"BertProcessing","sep":["b",2],"cls":["a",1]})";
  EXPECT_EQ(encode(make({.model = word_model({"a", "b"}), .post_processor = bert}), "x"), (Ids{1, 0, 2}));
  const std::string both = R"({"type":"Sequence","processors":[{"type":"ByteLevel","trim_offsets":true},)" + bert + "]}";
  EXPECT_EQ(encode(make({.model = word_model({"a", "b"}), .post_processor = both}), "x"), (Ids{1, 0, 2}));
}

TEST(PostProcessor, ids_that_are_no_tokens_are_refused) {
  const Sections sections{.model = word_model({"a"}), .post_processor = R"({"type":"BertProcessing","sep":["b",7],"cls":["a",1]})"};
  const Status status = parse_status(sections.json());
  EXPECT_EQ(status.code(), StatusCode::corrupt);
  EXPECT_NE(status.message().find("7"), std::string::npos);
}

}  // namespace
}  // namespace jang::text
