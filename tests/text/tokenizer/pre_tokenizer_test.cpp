// SPDX-License-Identifier: Apache-2.0
// Pre-tokenizers one by one: the pieces of a text. The expected pieces are what the `tokenizers` library gives.
#include "text/tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include "text/tokenizer/byte_level.h"

namespace jang::text {
namespace {

using Pieces = std::vector<std::string>;

Pieces pieces(const std::string& section, std::string_view text, std::size_t from_first = 1) {
  const Result<json::Value> value = json::parse(section, "test");
  EXPECT_TRUE(value.ok()) << section;
  const Result<PreTokenizer> pre_tokenizer = PreTokenizer::parse(value.value());
  if (!pre_tokenizer.ok()) {
    ADD_FAILURE() << pre_tokenizer.status().message();
    return {};
  }
  Pieces found;
  PreTokenizer::Run run(pre_tokenizer.value(), [&](std::string_view piece) {
    found.push_back(pre_tokenizer->ends_byte_level() ? byte_level::encode(piece) : std::string(piece));
    return Status();
  });
  const Status status = run.feed({text, from_first, from_first > 0});
  EXPECT_TRUE(status.ok()) << status.message();
  return found;
}

std::string split(std::string_view regex, std::string_view behavior, bool invert = false) {
  return R"({"type":"Split","pattern":{"Regex":")" + std::string(regex) + R"("},"behavior":")" + std::string(behavior) + R"(","invert":)" +
         (invert ? "true}" : "false}");
}

TEST(PreTokenizer, without_one_the_text_is_one_piece) {
  EXPECT_EQ(pieces("null", "a b"), (Pieces{"a b"}));
  EXPECT_EQ(pieces("null", ""), (Pieces{}));
}

TEST(PreTokenizer, split_has_five_behaviors) {
  constexpr std::string_view kText = "the-final--countdown-";
  EXPECT_EQ(pieces(split("-", "Removed"), kText), (Pieces{"the", "final", "countdown"}));
  EXPECT_EQ(pieces(split("-", "Isolated"), kText), (Pieces{"the", "-", "final", "-", "-", "countdown", "-"}));
  EXPECT_EQ(pieces(split("-", "MergedWithPrevious"), kText), (Pieces{"the-", "final-", "-", "countdown-"}));
  EXPECT_EQ(pieces(split("-", "MergedWithNext"), kText), (Pieces{"the", "-final", "-", "-countdown", "-"}));
  EXPECT_EQ(pieces(split("-", "Contiguous"), kText), (Pieces{"the", "-", "final", "--", "countdown", "-"}));
}

TEST(PreTokenizer, split_may_be_inverted_or_literal) {
  EXPECT_EQ(pieces(split("[a-z]+", "Removed", true), "ab 12 cd"), (Pieces{"ab", "cd"}));
  EXPECT_EQ(pieces(R"({"type":"Split","pattern":{"String":"."},"behavior":"Isolated","invert":false})", "a.b"), (Pieces{"a", ".", "b"}));
  EXPECT_EQ(pieces(split("x*", "Isolated"), "axxb"), (Pieces{"a", "xx", "b"}));
}

TEST(PreTokenizer, byte_level_splits_as_gpt2) {
  const std::string gpt2 = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true})";
  EXPECT_EQ(pieces(gpt2, "Hello  my friend's\n x"), (Pieces{"Hello", "\xc4\xa0", "\xc4\xa0my",
                                                            "\xc4\xa0"
                                                            "friend",
                                                            "'s", "\xc4\x8a", "\xc4\xa0x"}));
  const std::string prefix = R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":false})";
  EXPECT_EQ(pieces(prefix, "a b"), (Pieces{"\xc4\xa0"
                                           "a\xc4\xa0"
                                           "b"}));
  EXPECT_EQ(pieces(prefix, " a"), (Pieces{"\xc4\xa0"
                                          "a"}));
}

TEST(PreTokenizer, metaspace_prepends_by_scheme) {
  const auto metaspace = [](std::string_view scheme, bool is_split) {
    return R"({"type":"Metaspace","replacement":"_","prepend_scheme":")" + std::string(scheme) + R"(","split":)" +
           (is_split ? "true}" : "false}");
  };
  EXPECT_EQ(pieces(metaspace("always", true), "a b  c"), (Pieces{"_a", "_b", "_", "_c"}));
  EXPECT_EQ(pieces(metaspace("always", false), " a b"), (Pieces{"_a_b"}));
  EXPECT_EQ(pieces(metaspace("never", true), "a b"), (Pieces{"a", "_b"}));
  EXPECT_EQ(pieces(metaspace("first", true), "a b"), (Pieces{"_a", "_b"}));
  EXPECT_EQ(pieces(metaspace("first", true), "a b", 0), (Pieces{"a", "_b"}));  // not where the input starts
  EXPECT_EQ(pieces(R"({"type":"Metaspace","replacement":"_","add_prefix_space":false})", "a"), (Pieces{"a"}));
  EXPECT_EQ(pieces(R"({"type":"Metaspace","replacement":"_","add_prefix_space":true})", "a"), (Pieces{"_a"}));
}

TEST(PreTokenizer, metaspace_first_sees_through_a_split) {
  const std::string both =
      R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"_","prepend_scheme":"first"}]})";
  EXPECT_EQ(pieces(both, "a b"), (Pieces{"_a", "b"}));
  EXPECT_EQ(pieces(both, " a b"), (Pieces{"a", "b"}));  // the first character is gone
}

TEST(PreTokenizer, words_digits_and_punctuation) {
  EXPECT_EQ(pieces(R"({"type":"Whitespace"})", "Hi, you!? a_1 \xc3\xa9"), (Pieces{"Hi", ",", "you", "!?", "a_1", "\xc3\xa9"}));
  EXPECT_EQ(pieces(R"({"type":"WhitespaceSplit"})",
                   " a\xe3\x80\x80"
                   "b,\n"),
            (Pieces{"a", "b,"}));
  EXPECT_EQ(pieces(R"({"type":"BertPreTokenizer"})", "Hi, you!"), (Pieces{"Hi", ",", "you", "!"}));
  EXPECT_EQ(pieces(R"({"type":"Digits","individual_digits":true})", "a12"), (Pieces{"a", "1", "2"}));
  EXPECT_EQ(pieces(R"({"type":"Digits","individual_digits":false})", "a12b"), (Pieces{"a", "12", "b"}));
  EXPECT_EQ(pieces(R"({"type":"Punctuation","behavior":"Contiguous"})", "a!?b"), (Pieces{"a", "!?", "b"}));
  EXPECT_EQ(pieces(R"({"type":"CharDelimiterSplit","delimiter":"x"})", "axxb"), (Pieces{"a", "b"}));
  EXPECT_EQ(pieces(R"({"type":"FixedLength","length":2})",
                   "ab\xc3\xa9"
                   "cd"),
            (Pieces{"ab",
                    "\xc3\xa9"
                    "c",
                    "d"}));
}

}  // namespace
}  // namespace jang::text
