// SPDX-License-Identifier: Apache-2.0
// tokenizer.json files that are broken or mean harm: a Status that names the part, never a crash.
#include <gtest/gtest.h>

#include <string>

#include "made_tokenizer.h"

namespace jang::text {
namespace {

const Sections kWhole{
    .model = R"({"type":"BPE","unk_token":"?","byte_fallback":true,"vocab":{"?":0,"a":1,"b":2,"ab":3},"merges":["a b"]})",
    .normalizer = R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"x+"},"content":" "}]})",
    .pre_tokenizer = R"({"type":"Split","pattern":{"Regex":"\\s+|\\p{L}"},"behavior":"Isolated","invert":false})",
    .post_processor = R"({"type":"BertProcessing","sep":["a",1],"cls":["b",2]})",
    .decoder = R"({"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]})",
    .added_tokens = R"([{"id":4,"content":"<s>","special":true,"normalized":false}])",
};

TEST(TokenizerHostile, every_truncation_is_refused) {
  const std::string whole = kWhole.json();
  ASSERT_TRUE(parse_status(whole).ok()) << parse_status(whole).message();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const Status status = parse_status(whole.substr(0, n));
    ASSERT_FALSE(status.ok()) << n;
    ASSERT_FALSE(status.message().empty()) << n;
  }
}

// Nothing to expect but that each is answered.
TEST(TokenizerHostile, every_changed_byte_is_survived) {
  const std::string whole = kWhole.json();
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const char c : {'0', '"', '[', '}', ',', ' ', '\xff'}) {
      std::string changed = whole;
      changed[i] = c;
      const Result<Tokenizer> tokenizer = Tokenizer::parse(changed, "test");
      if (tokenizer.ok()) (void)tokenizer.value().encode("ab a<s>xb\xc3\xa9");
    }
}

struct Case {
  const char* name;
  Sections sections;
  StatusCode code;
  const char* named;  // in the message
};

Sections with_model(const std::string& model) { return {.model = model}; }

TEST(TokenizerHostile, broken_models_are_named) {
  const Case cases[] = {
      {"type", with_model(R"({"type":"Magic","vocab":{}})"), StatusCode::unsupported, "Magic"},
      {"id negative", with_model(R"({"type":"WordLevel","vocab":{"a":-1}})"), StatusCode::corrupt, "-1"},
      {"id huge", with_model(R"({"type":"WordLevel","vocab":{"a":4000000000}})"), StatusCode::corrupt, "4000000000"},
      {"id beyond 64 bits", with_model(R"({"type":"WordLevel","vocab":{"a":18446744073709551615}})"), StatusCode::corrupt, "\"a\""},
      {"id fraction", with_model(R"({"type":"WordLevel","vocab":{"a":1.5}})"), StatusCode::corrupt, "\"a\""},
      {"id twice", with_model(R"({"type":"WordLevel","vocab":{"a":1,"b":1}})"), StatusCode::corrupt, "same id"},
      {"piece twice", with_model(R"({"type":"WordLevel","vocab":{"a":1,"\u0061":2}})"), StatusCode::corrupt, "twice"},
      {"vocab array", with_model(R"({"type":"BPE","vocab":[],"merges":[]})"), StatusCode::corrupt, "vocab"},
      {"no merges", with_model(R"({"type":"BPE","vocab":{}})"), StatusCode::corrupt, "merges"},
      {"merge of three", with_model(R"({"type":"BPE","vocab":{"a":0},"merges":["a a a"]})"), StatusCode::corrupt, "merge 0"},
      {"merge of one", with_model(R"({"type":"BPE","vocab":{"a":0},"merges":[["a"]]})"), StatusCode::corrupt, "merge 0"},
      {"merge unknown", with_model(R"({"type":"BPE","vocab":{"a":0},"merges":["a b"]})"), StatusCode::corrupt, "right piece"},
      {"merge without result", with_model(R"({"type":"BPE","vocab":{"a":0},"merges":["a a"]})"), StatusCode::corrupt, "their join"},
      {"unk_id outside", with_model(R"({"type":"Unigram","unk_id":9,"vocab":[["a",0]]})"), StatusCode::corrupt, "unk_id"},
      {"score text", with_model(R"({"type":"Unigram","vocab":[["a","b"]]})"), StatusCode::corrupt, "item 0"},
      {"flag", with_model(R"({"type":"BPE","fuse_unk":1,"vocab":{},"merges":[]})"), StatusCode::corrupt, "fuse_unk"},
      {"key twice", with_model(R"({"type":"BPE","vocab":{},"vocab":{},"merges":[]})"), StatusCode::corrupt, "twice"},
  };
  for (const Case& c : cases) {
    const Status status = parse_status(c.sections.json());
    EXPECT_EQ(status.code(), c.code) << c.name;
    EXPECT_NE(status.message().find(c.named), std::string::npos) << c.name << ": " << status.message();
    EXPECT_NE(status.message().find("model"), std::string::npos) << c.name << ": " << status.message();
  }
}

TEST(TokenizerHostile, broken_sections_are_named) {
  const std::string model = word_model({"a"});
  const Case cases[] = {
      {"normalizer type", {.model = model, .normalizer = R"({"type":"Magic"})"}, StatusCode::unsupported, "normalizer: Magic"},
      {"normalizer regex",
       {.model = model, .normalizer = R"({"type":"Replace","pattern":{"Regex":"("},"content":""})"},
       StatusCode::corrupt,
       "Replace"},
      {"charsmap",
       {.model = model, .normalizer = R"({"type":"Precompiled","precompiled_charsmap":"AAA"})"},
       StatusCode::corrupt,
       "precompiled"},
      {"pre-tokenizer behavior",
       {.model = model, .pre_tokenizer = R"({"type":"Split","pattern":{"String":"a"},"behavior":"Magic","invert":false})"},
       StatusCode::unsupported,
       "Magic"},
      {"pre-tokenizer pattern",
       {.model = model, .pre_tokenizer = R"({"type":"Split","behavior":"Removed"})"},
       StatusCode::corrupt,
       "pattern"},
      {"metaspace", {.model = model, .pre_tokenizer = R"({"type":"Metaspace","replacement":"ab"})"}, StatusCode::corrupt, "replacement"},
      {"post-processor sequence",
       {.model = model,
        .post_processor = R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"B","type_id":0}}],"special_tokens":{}})"},
       StatusCode::corrupt,
       "\"B\""},
      {"post-processor token",
       {.model = model,
        .post_processor = R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}}],"special_tokens":{}})"},
       StatusCode::corrupt,
       "<s>"},
      {"decoder type", {.model = model, .decoder = R"({"type":"Magic"})"}, StatusCode::unsupported, "decoder: Magic"},
      {"decoder strip", {.model = model, .decoder = R"({"type":"Strip","content":"a","start":-1,"stop":0})"}, StatusCode::corrupt, "start"},
      {"added token", {.model = model, .added_tokens = R"([{"id":1}])"}, StatusCode::corrupt, "added_tokens"},
      {"added flag", {.model = model, .added_tokens = R"([{"id":1,"content":"x","special":1}])"}, StatusCode::corrupt, "added_tokens"},
  };
  for (const Case& c : cases) {
    const Status status = parse_status(c.sections.json());
    EXPECT_EQ(status.code(), c.code) << c.name << ": " << status.message();
    EXPECT_NE(status.message().find(c.named), std::string::npos) << c.name << ": " << status.message();
  }
}

TEST(TokenizerHostile, deep_and_long_sequences_are_refused) {
  std::string nested = R"({"type":"NFC"})", many;
  for (int i = 0; i < 12; ++i) nested = R"({"type":"Sequence","normalizers":[)" + nested + "]}";
  EXPECT_EQ(parse_status(Sections{.model = word_model({}), .normalizer = nested}.json()).code(), StatusCode::unsupported);
  for (int i = 0; i < 200; ++i) many += std::string(i ? "," : "") + R"({"type":"Digits"})";
  EXPECT_EQ(parse_status(Sections{.model = word_model({}), .pre_tokenizer = R"({"type":"Sequence","pretokenizers":[)" + many + "]}"}.json())
                .code(),
            StatusCode::unsupported);
  EXPECT_FALSE(parse_status(std::string(100000, '[')).ok());
}

TEST(TokenizerHostile, documents_that_are_no_tokenizer_are_refused) {
  for (const char* text : {"", "null", "5", "[]", "{}", "{\"model\":null}", "{\"model\":[]}", "\xff", "{\"model\":{}}"})
    EXPECT_EQ(parse_status(text).code(), StatusCode::corrupt) << text;
}

// A merge whose result is one of its own parts, by way of the prefix, must not loop.
TEST(TokenizerHostile, merges_that_feed_themselves_end) {
  const Sections s{.model = R"({"type":"BPE","continuing_subword_prefix":"#","vocab":{"a":0,"#":1,"#a":2,"##":3},)"
                            R"("merges":[["a","#"],["#","#"],["#a","#"]]})"};
  const Result<Tokenizer> tokenizer = Tokenizer::parse(s.json(), "test");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_TRUE(tokenizer.value().encode(std::string(1000, 'a') + std::string(1000, '#')).ok());
}

// A normalizer may not blow a text up without end.
TEST(TokenizerHostile, normalizers_that_grow_the_text_are_stopped) {
  std::string steps;
  for (int i = 0; i < 40; ++i)
    steps += std::string(i ? "," : "") + R"({"type":"Replace","pattern":{"String":"a"},"content":"aaaaaaaaaaaaaaaa"})";
  const Sections s{.model = word_model({}), .normalizer = R"({"type":"Sequence","normalizers":[)" + steps + "]}"};
  EXPECT_EQ(make(s).encode("a").status().code(), StatusCode::unsupported);
}

}  // namespace
}  // namespace jang::text
