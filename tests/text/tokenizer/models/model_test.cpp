// SPDX-License-Identifier: Apache-2.0
// The four models on vocabularies of a few pieces, and their cost on long pieces.
#include "text/tokenizer/models/bpe.h"

#include <gtest/gtest.h>

#include <chrono>

#include "../../made_tokenizer.h"

namespace jang::text {
namespace {

TEST(Bpe, lowest_rank_merges_first_and_leftmost) {
  const Sections s{.model = R"({"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"bc":4,"abc":5,"aa":6},)"
                            R"("merges":["b c","a b","a bc","a a"]})"};
  const Tokenizer t = make(s);
  EXPECT_EQ(encode(t, "abc"), (Ids{5}));
  EXPECT_EQ(encode(t, "aab"), (Ids{0, 3}));
  EXPECT_EQ(encode(t, "aaa"), (Ids{6, 0}));
}

TEST(Bpe, merges_may_be_pairs_and_hold_spaces) {
  const Sections s{.model = R"({"type":"BPE","vocab":{"a":0," ":1," a":2},"merges":[[" ","a"]]})"};
  EXPECT_EQ(encode(make(s), "a a"), (Ids{0, 2}));
}

TEST(Bpe, unknown_characters_fuse_only_when_asked) {
  for (const bool fuse : {false, true}) {
    const Sections s{.model = std::string(R"({"type":"BPE","unk_token":"?","fuse_unk":)") + (fuse ? "true" : "false") +
                              R"(,"vocab":{"?":0,"a":1},"merges":[]})"};
    EXPECT_EQ(encode(make(s), "axya"), fuse ? (Ids{1, 0, 1}) : (Ids{1, 0, 0, 1}));
  }
}

TEST(Bpe, unknown_characters_vanish_without_an_unknown_token) {
  EXPECT_EQ(encode(make({.model = R"({"type":"BPE","vocab":{"a":0},"merges":[]})"}), "axa"), (Ids{0, 0}));
}

TEST(Bpe, bytes_stand_for_unknown_characters) {
  const Sections s{.model =
                       R"({"type":"BPE","unk_token":"?","byte_fallback":true,"vocab":{"?":0,"a":1,"<0xC3>":2,"<0xA9>":3},"merges":[]})"};
  EXPECT_EQ(encode(make(s), "a\xc3\xa9"), (Ids{1, 2, 3}));
  EXPECT_EQ(encode(make(s), "a\xc3\xa8"), (Ids{1, 0}));  // 0xA8 has no piece
}

TEST(Bpe, affixes_mark_the_inside_and_the_end_of_a_word) {
  const Sections s{.model = R"({"type":"BPE","continuing_subword_prefix":"##","end_of_word_suffix":"</w>",)"
                            R"("vocab":{"a":0,"##b":1,"##b</w>":2,"a</w>":3,"ab</w>":4},"merges":["a ##b</w>"]})"};
  EXPECT_EQ(encode(make(s), "ab"), (Ids{4}));
  EXPECT_EQ(encode(make(s), "a"), (Ids{3}));
  EXPECT_EQ(encode(make(s), "abb"), (Ids{0, 1, 2}));
}

TEST(Bpe, ignore_merges_takes_a_whole_piece) {
  const Sections s{.model = R"({"type":"BPE","ignore_merges":true,"vocab":{"a":0,"b":1,"ab":2},"merges":[]})"};
  EXPECT_EQ(encode(make(s), "ab"), (Ids{2}));
  EXPECT_EQ(encode(make(s), "abb"), (Ids{0, 1, 1}));
}

// Long pieces take another path than short ones, and are cut where nothing can merge; the ids must not show it.
TEST(Bpe, long_pieces_merge_as_short_ones) {
  const Sections s{.model = R"({"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"ba":4,"abab":5,"abc":6,"x":7},)"
                            R"("merges":["a b","ab ab","b a","ab c"]})"};
  const Tokenizer t = make(s);
  const std::string unit = "ababcabbaacabcx";
  const Ids one = encode(t, unit);
  std::string text;
  Ids expected;
  for (int i = 0; i < 40; ++i) {
    text += unit;
    expected.insert(expected.end(), one.begin(), one.end());
  }
  EXPECT_EQ(encode(t, text), expected);  // nothing merges with x
}

TEST(Unigram, best_sum_of_scores_wins) {
  const Sections s{.model = R"({"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1],["b",-1],["ab",-1.5],["abc",-9],["c",-1]]})"};
  EXPECT_EQ(encode(make(s), "abc"), (Ids{3, 5}));
  EXPECT_EQ(encode(make(s), "ba"), (Ids{2, 1}));
}

TEST(Unigram, neighbouring_unknowns_are_one) {
  const Sections s{.model = R"({"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1]]})"};
  EXPECT_EQ(encode(make(s), "axya"), (Ids{1, 0, 1}));
  const Sections none{.model = R"({"type":"Unigram","vocab":[["a",-1]]})"};
  EXPECT_EQ(encode(make(none), "aa"), (Ids{0, 0}));
  EXPECT_EQ(make(none).encode("ax").status().code(), StatusCode::corrupt);
}

TEST(Unigram, bytes_stand_for_unknown_characters) {
  const Sections s{.model = R"({"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["?",0],["a",-1],["<0xC3>",-9],["<0xA9>",-9]]})"};
  EXPECT_EQ(encode(make(s), "a\xc3\xa9"), (Ids{1, 2, 3}));
  EXPECT_EQ(encode(make(s), "\xc3\xa8"), (Ids{0}));
}

TEST(WordPiece, longest_piece_first_or_unknown_as_a_whole) {
  const Sections s{.model = R"({"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##","max_input_chars_per_word":5,)"
                            R"("vocab":{"?":0,"a":1,"ab":2,"##b":3,"##bc":4,"##c":5}})"};
  EXPECT_EQ(encode(make(s), "abbc"), (Ids{2, 4}));
  EXPECT_EQ(encode(make(s), "abx"), (Ids{0}));
  EXPECT_EQ(encode(make(s), "abbbb"), (Ids{2, 3, 3, 3}));
  EXPECT_EQ(encode(make(s), "abbbbb"), (Ids{0}));  // six characters
}

TEST(WordLevel, a_word_is_a_piece_or_unknown) {
  EXPECT_EQ(encode(make({.model = word_model({"ab"})}), "ab"), (Ids{1}));
  EXPECT_EQ(encode(make({.model = word_model({"ab"})}), "abc"), (Ids{0}));
  const Sections none{.model = R"({"type":"WordLevel","unk_token":"?","vocab":{"a":0}})"};
  EXPECT_EQ(make(none).encode("b").status().code(), StatusCode::corrupt);
}

TEST(Model, type_is_guessed_in_old_files) {
  EXPECT_EQ(encode(make({.model = R"({"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]})"}), "ab"), (Ids{2}));
  EXPECT_EQ(encode(make({.model = R"({"unk_id":0,"vocab":[["?",0],["a",-1]]})"}), "a"), (Ids{1}));
}

// A megabyte in one piece: anything quadratic would take hours. The bound leaves room for a slow, busy machine.
TEST(Model, megabyte_of_one_letter_is_quick_for_every_model) {
  std::string runs, scores, words;
  std::string piece = "a";
  for (int i = 0; i < 8; ++i) {
    runs += (i ? ",\"" : "\"") + piece + "\":" + std::to_string(i);
    scores += (i ? ",[\"" : "[\"") + piece + "\",-" + std::to_string(i + 1) + "]";
    piece += piece;
  }
  std::string merges;
  piece = "a";
  for (int i = 0; i < 7; ++i) {
    merges += (i ? ",[\"" : "[\"") + piece + "\",\"" + piece + "\"]";
    piece += piece;
  }
  const std::vector<std::string> models = {
      R"({"type":"BPE","vocab":{)" + runs + R"(},"merges":[)" + merges + "]}",
      R"({"type":"Unigram","unk_id":0,"vocab":[)" + scores + "]}",
      R"({"type":"WordPiece","unk_token":"a","continuing_subword_prefix":"","max_input_chars_per_word":100000000,"vocab":{)" + runs + "}}",
      R"({"type":"WordLevel","unk_token":"a","vocab":{)" + runs + "}}",
  };
  const std::string text(1 << 20, 'a');
  for (const std::string& model : models) {
    const Tokenizer t = make({.model = model});
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(encode(t, text).empty());
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << model.substr(0, 20);
  }
}

}  // namespace
}  // namespace jang::text
