// SPDX-License-Identifier: Apache-2.0
// Decoders: the whole text, the text in parts, and when parts come out.
#include "text/tokenizer/decoder.h"

#include <gtest/gtest.h>

#include "../../support/bundled_model.h"
#include "../../support/paths.h"
#include "../made_tokenizer.h"
#include "base/utf8.h"

namespace jang::text {
namespace {

using test::kBundledModel;

using Parts = std::vector<std::string>;

// What comes out behind each token, and last at the end.
Parts parts(const std::string& section, const std::vector<std::string>& tokens) {
  const Result<json::Value> value = json::parse(section, "test");
  EXPECT_TRUE(value.ok()) << section;
  const Result<Decoder> decoder = Decoder::parse(value.value());
  if (!decoder.ok()) {
    ADD_FAILURE() << decoder.status().message();
    return {};
  }
  DecodeStream stream(decoder.value());
  Parts found;
  for (const std::string& token : tokens) {
    stream.push(token);
    found.push_back(stream.take());
  }
  stream.finish();
  found.push_back(stream.take());
  return found;
}

constexpr const char* kLlama =
    R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},)"
    R"({"type":"Strip","content":" ","start":1,"stop":0}]})";

TEST(Decoder, without_one_tokens_are_joined_by_spaces) { EXPECT_EQ(parts("null", {"a", "b"}), (Parts{"a", " b", ""})); }

TEST(Decoder, byte_level_holds_back_half_characters) {
  const std::string section = R"({"type":"ByteLevel"})";
  // U+4F60 is e4 bd a0: in the alphabet U+00E4, U+00BD and U+0142.
  EXPECT_EQ(parts(section, {"a", "\xc3\xa4", "\xc2\xbd",
                            "\xc5\x82"
                            "b"}),
            (Parts{"a", "", "",
                   "\xe4\xbd\xa0"
                   "b",
                   ""}));
  EXPECT_EQ(parts(section, {"\xc3\xa4", "a"}), (Parts{"",
                                                      "\xef\xbf\xbd"
                                                      "a",
                                                      ""}));
  EXPECT_EQ(parts(section, {"\xc3\xa4"}), (Parts{"", "\xef\xbf\xbd"}));
  EXPECT_EQ(parts(section, {"\xe4\xbd\xa0"}), (Parts{"\xe4\xbd\xa0", ""}));  // not in the alphabet: as it is
}

TEST(Decoder, byte_fallback_takes_a_run_of_bytes_or_none) {
  EXPECT_EQ(parts(kLlama, {"_a", "<0xE4>", "<0xBD>", "<0xA0>", "b"}), (Parts{"a", "", "", "",
                                                                             "\xe4\xbd\xa0"
                                                                             "b",
                                                                             ""}));
  EXPECT_EQ(parts(kLlama, {"<0xE4>", "<0x41>"}), (Parts{"", "", "\xef\xbf\xbd\xef\xbf\xbd"}));
  EXPECT_EQ(parts(kLlama, {"<0x4>", "<0xGG>"}), (Parts{"<0x4>", "<0xGG>", ""}));
}

TEST(Decoder, strip_takes_one_space_from_the_whole_text) {
  EXPECT_EQ(parts(kLlama, {"_", "_a", "_b"}), (Parts{"", " a", " b", ""}));
  const std::string both = R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":"x","start":1,"stop":2}]})";
  EXPECT_EQ(parts(both, {"xxa", "x", "x", "x", "b", "xxx"}), (Parts{"xa", "", "", "x", "xxb", "x", ""}));
}

TEST(Decoder, replace_sees_matches_across_fused_tokens) {
  const std::string section =
      R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace","pattern":{"String":"aab"},"content":"-"}]})";
  EXPECT_EQ(parts(section, {"xa", "a", "a", "b", "aa"}), (Parts{"x", "", "a", "-", "", "aa"}));
  const std::string regex = R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace","pattern":{"Regex":"a+"},"content":"-"}]})";
  EXPECT_EQ(parts(regex, {"xa", "a", "b"}), (Parts{"", "", "", "x-b"}));
}

TEST(Decoder, metaspace_drops_the_first_space) {
  const std::string section = R"({"type":"Metaspace","replacement":"_","prepend_scheme":"always"})";
  EXPECT_EQ(parts(section, {"_a", "_b"}), (Parts{"a", " b", ""}));
  EXPECT_EQ(parts(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"never"})", {"_a", "_b"}), (Parts{" a", " b", ""}));
}

TEST(Decoder, word_pieces_join_and_clean_up) {
  EXPECT_EQ(parts(R"({"type":"WordPiece","prefix":"##","cleanup":true})", {"do", "not", "##ed", ",", "it", "'s"}),
            (Parts{"do", " not", "ed", ",", " it", "'s", ""}));
  EXPECT_EQ(parts(R"({"type":"WordPiece","prefix":"##","cleanup":false})", {"a", ",", "##b"}), (Parts{"a", " ,", "b", ""}));
}

TEST(Decoder, bpe_suffixes_are_spaces_but_at_the_end) {
  EXPECT_EQ(parts(R"({"type":"BPEDecoder","suffix":"</w>"})", {"a", "b</w>", "c</w>"}), (Parts{"", "a", "b ", "c"}));
}

TEST(Decoder, ctc_drops_repeats_and_padding) {
  const std::string section = R"({"type":"CTC","pad_token":"<pad>","word_delimiter_token":"|","cleanup":true})";
  EXPECT_EQ(parts(section, {"h", "h", "<pad>", "i", "|", "i"}), (Parts{"h", "", "", "i", " ", "i", ""}));
}

TEST(Detokenizer, parts_join_to_the_decoded_text) {
  Result<Tokenizer> tokenizer = Tokenizer::load(kBundledModel);
  ASSERT_TRUE(tokenizer.ok());
  Detokenizer detokenizer(tokenizer.value());
  std::uint32_t state = 1;
  for (int round = 0; round < 50; ++round) {
    Ids ids;
    for (int i = 0; i < 40; ++i) {
      state = state * 1664525u + 1013904223u;
      ids.push_back(static_cast<std::int32_t>(state >> 8) % 4200);  // some are no ids
    }
    std::string joined;
    for (const std::int32_t id : ids) joined += detokenizer.push(id);
    EXPECT_EQ(joined + detokenizer.flush(), tokenizer->decode(ids));
  }
}

TEST(Detokenizer, emoji_come_out_whole) {
  Result<Tokenizer> tokenizer = Tokenizer::load(kBundledModel);
  ASSERT_TRUE(tokenizer.ok());
  const Ids ids = encode(tokenizer.value(), "\xf0\x9f\x98\x80");
  ASSERT_EQ(ids.size(), 4u);  // a token a byte
  Detokenizer detokenizer(tokenizer.value());
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(detokenizer.push(ids[i]), "");
  EXPECT_EQ(detokenizer.push(ids[3]), "\xf0\x9f\x98\x80");
  EXPECT_EQ(detokenizer.push(ids[0]), "");
  EXPECT_EQ(detokenizer.flush(), "\xef\xbf\xbd");
  EXPECT_EQ(detokenizer.flush(), "");
}

// Answers behind a prompt: prompt and answer, put together, are the text of all ids.

// The text that `answer` adds, piece by piece.
std::string added_text(const Tokenizer& tokenizer, const Ids& prompt, const Ids& answer) {
  Detokenizer detokenizer(tokenizer);
  detokenizer.start_behind(prompt);
  std::string text;
  for (const std::int32_t id : answer) {
    const std::string piece = detokenizer.push(id);
    EXPECT_TRUE(utf8::is_valid(piece));
    text += piece;
  }
  return text + detokenizer.flush();
}

TEST(Detokenizer, an_answer_keeps_its_first_space) {
  const Result<Tokenizer> t = Tokenizer::load(test::source_dir() + "/tests/data/bugs/12-first-space-of-answer-lost/model");
  ASSERT_TRUE(t.ok()) << t.status().message();
  const std::int32_t world = *t->token_id("▁world"), a = *t->token_id("▁a"), x = *t->token_id("▁x");
  EXPECT_EQ(added_text(*t, {1, x}, {world, a, world}), " world a world");
  EXPECT_EQ(added_text(*t, {1}, {world}), "world");  // nothing stands before it
  EXPECT_EQ(added_text(*t, {}, {world}), "world");
  EXPECT_EQ(added_text(*t, {1, x}, {}), "");
}

TEST(Detokenizer, an_answer_begins_inside_what_the_prompt_held_back) {
  // Byte tokens are one text or none; a suffix becomes a space when a token follows; words are joined with spaces; a trailing space waits.
  const std::string bytes = word_model({"<0xC3>", "<0xA9>", "a"});
  const Tokenizer fallback = make({.model = bytes, .decoder = R"({"type":"ByteFallback"})"});
  EXPECT_EQ(added_text(fallback, {3, 1, 2}, {3}), "a");
  EXPECT_EQ(added_text(fallback, {3, 1}, {2, 3}), "éa");       // the prompt alone ends in U+FFFD
  EXPECT_EQ(added_text(fallback, {3, 1, 2}, {1, 3}), "���a");  // the run is no text any more
  const Tokenizer suffix = make({.model = word_model({"a</w>", "b</w>"}), .decoder = R"({"type":"BPEDecoder","suffix":"</w>"})"});
  EXPECT_EQ(added_text(suffix, {1}, {2, 1}), " b a");
  const Tokenizer words = make({.model = word_model({"a", "b"})});
  EXPECT_EQ(added_text(words, {1}, {2, 1}), " b a");
  const Tokenizer pieces = make({.model = word_model({"a", "##b"}), .decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})"});
  EXPECT_EQ(added_text(pieces, {1}, {2, 1}), "b a");
  const Tokenizer metaspace = make({.model = word_model({"▁a"}), .decoder = R"({"type":"Metaspace","replacement":"▁"})"});
  EXPECT_EQ(added_text(metaspace, {1}, {1}), " a");
  const Tokenizer stripped =
      make({.model = word_model({"a ", "b"}),
            .decoder = R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":" ","start":0,"stop":1}]})"});
  EXPECT_EQ(added_text(stripped, {1}, {2}), " b");
}

TEST(Detokenizer, every_cut_of_a_text_gives_its_rest) {
  const Result<Tokenizer> t = Tokenizer::load(kBundledModel);
  ASSERT_TRUE(t.ok());
  const Ids ids = encode(*t, "Héllo, wörld — 日本語 \xf0\x9f\x99\x82\xf0\x9f\x99\x82 end");
  const std::string whole = t->decode(ids);
  ASSERT_GT(ids.size(), 10u);
  for (std::size_t cut = 0; cut <= ids.size(); ++cut) {
    const Ids prompt(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(cut)),
        answer(ids.begin() + static_cast<std::ptrdiff_t>(cut), ids.end());
    const std::string before = t->decode(prompt), added = added_text(*t, prompt, answer);
    // Where the prompt ends inside a character, the answer completes it.
    EXPECT_TRUE(whole.starts_with(before) ? before + added == whole : whole.ends_with(added)) << cut << ": " << added;
  }
}

}  // namespace
}  // namespace jang::text
