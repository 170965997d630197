// SPDX-License-Identifier: Apache-2.0
// What tokenizer_config.json, special_tokens_map.json and added_tokens.json change. Expected ids are those of AutoTokenizer, transformers
// 5.24; tests/oracle/check_tokenizer.py compares with the library at hand.
#include "text/tokenizer_config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "../support/paths.h"
#include "made_tokenizer.h"

namespace jang::text {
namespace {

namespace fs = std::filesystem;

const std::string kBugs = test::source_dir() + "/tests/data/bugs/";

std::string file_text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

json::Value value_of(std::string_view text) {
  Result<json::Value> value = json::parse(text, "test");
  EXPECT_TRUE(value.ok()) << value.status().message();
  return value.ok() ? *value : json::Value();
}

// The tokenizer of a small Llama-like model with three files beside it.
Tokenizer beside(std::string_view config, std::string_view map = "null", std::string_view added = "null") {
  static const std::string json = file_text(kBugs + "11-added-tokens-only-in-tokenizer-config/model/tokenizer.json");
  Result<Tokenizer> made = Tokenizer::parse(json, "test", TokenizerConfig(value_of(config), value_of(map), value_of(added)));
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? std::move(made).value() : make(Sections{.model = word_model({})});
}

TEST(TokenizerConfig, added_token_of_bug_11_is_one_token) {
  const Result<Tokenizer> tokenizer = Tokenizer::load(kBugs + "11-added-tokens-only-in-tokenizer-config/model");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(encode(*tokenizer, "<|im_start|>a"), (Ids{1, 62, 35}));
  EXPECT_TRUE(tokenizer->is_special(62));
  EXPECT_EQ(tokenizer->decode(Ids{1, 62, 35}), "a");
}

TEST(TokenizerConfig, tokens_are_added_by_id_but_get_the_next_free_one) {
  const Tokenizer t = beside(R"({"added_tokens_decoder": {"99": {"content": "<|im_start|>", "special": true, "normalized": false},
    "70": {"content": "<tool>", "special": false, "normalized": false}}})");
  EXPECT_EQ(encode(t, "<|im_start|>a"), (Ids{1, 63, 35}));
  EXPECT_EQ(encode(t, "a<tool> x"), (Ids{1, 35, 62, 3, 36}));
  EXPECT_FALSE(t.is_special(62));
}

TEST(TokenizerConfig, flags_of_a_known_token_are_replaced) {
  const Tokenizer t = beside(R"({"added_tokens_decoder": {"1": {"content": "<s>", "lstrip": true, "normalized": true, "special": true}}})");
  EXPECT_EQ(encode(t, "x <s> a"), (Ids{1, 36, 1, 35}));
  EXPECT_EQ(encode(beside("{}"), "x <s> a"), (Ids{1, 36, 3, 1, 3, 35}));
}

TEST(TokenizerConfig, a_piece_of_the_vocabulary_becomes_an_added_token) {
  const Tokenizer t = beside(R"({"added_tokens_decoder": {"35": {"content": "x", "normalized": false}}})");
  EXPECT_EQ(encode(t, "x <s> a"), (Ids{1, 27, 3, 3, 1, 3, 35}));
}

TEST(TokenizerConfig, missing_flags_have_pythons_defaults) {
  const Tokenizer t =
      beside(R"({"added_tokens_decoder": {"62": {"content": "<|im_start|>"}, "63": {"content": "<tool>", "special": true}}})");
  EXPECT_EQ(encode(t, "<|im_start|>a"), (Ids{1, 62, 4}));  // normalized: found behind the prepended space
  EXPECT_EQ(encode(t, "a<tool> x"), (Ids{1, 35, 63, 3, 36}));
  EXPECT_FALSE(t.is_special(62));
  EXPECT_TRUE(t.is_special(63));
}

TEST(TokenizerConfig, added_tokens_json_counts_without_a_decoder_table) {
  const std::string_view added = R"({"<|im_start|>": 63, "<tool>": 62})";
  const Tokenizer t = beside(R"({"pad_token": "<pad>", "additional_special_tokens": ["<tool>"]})", "null", added);
  EXPECT_EQ(encode(t, "<|im_start|>a"), (Ids{1, 63, 4}));
  EXPECT_EQ(encode(t, "a<tool> x"), (Ids{1, 35, 62, 3, 36}));
  EXPECT_EQ(encode(t, "<pad> a"), (Ids{1, 64, 3, 35}));
  EXPECT_TRUE(t.is_special(62));
  EXPECT_FALSE(t.is_special(63));
  const Tokenizer table = beside(R"({"added_tokens_decoder": {"62": {"content": "<tool>", "special": true}}})", "null", added);
  EXPECT_EQ(table.token_id("<|im_start|>"), std::nullopt);
}

TEST(TokenizerConfig, named_special_tokens_are_added_when_new) {
  EXPECT_EQ(encode(beside(R"({"pad_token": "<pad>"})"), "<pad> a"), (Ids{1, 62, 3, 35}));
  EXPECT_EQ(encode(beside(R"({"pad_token": {"content": "<pad>", "lstrip": true}})"), "x <pad>"), (Ids{1, 36, 62}));
  EXPECT_EQ(encode(beside("{}", R"({"pad_token": "<pad>"})"), "<pad> a"), (Ids{1, 62, 3, 35}));
  EXPECT_EQ(beside(R"({"added_tokens_decoder": {}})", R"({"pad_token": "<pad>"})").token_id("<pad>"), std::nullopt);
  EXPECT_EQ(beside(R"({"extra_special_tokens": {"tool_token": "<tool>"}, "image_token": "[X]"})").token_id("<tool>"), 63);
}

TEST(TokenizerConfig, nonsense_is_passed_over) {
  for (const char* config :
       {"[]", "3", R"({"added_tokens_decoder": 3})", R"({"added_tokens_decoder": {"x": {"content": "<a>"}}})",
        R"({"added_tokens_decoder": {"62": "<a>", "63": {"content": 3}, "64": {"content": ""}, "65": null}})",
        R"({"pad_token": 3.5, "bos_token": [], "additional_special_tokens": [3, null, {}], "add_prefix_space": [3]})"}) {
    const Tokenizer t = beside(config, config, config);  // also as the other two files
    EXPECT_EQ(t.vocab_size(), 62) << config;
    EXPECT_EQ(encode(t, "x a"), (Ids{1, 36, 35})) << config;
  }
}

TEST(TokenizerConfig, tokens_that_clash_when_normalized_leave_the_file_alone) {
  const Tokenizer t = beside(R"({"added_tokens_decoder": {"62": {"content": "a b"}, "63": {"content": "a▁b"}}})");
  EXPECT_EQ(t.vocab_size(), 62);
}

// add_prefix_space, by class and section.
std::string spaces(std::string_view type, const std::string& normalizer, const std::string& pre_tokenizer, std::string_view config) {
  const bool byte_level = type == "bytes";
  const std::string space = byte_level ? "Ġ" : "▁";
  const Sections sections{.model = word_model({"x", space + "x", space + "a"}), .normalizer = normalizer, .pre_tokenizer = pre_tokenizer};
  Result<Tokenizer> made = Tokenizer::parse(sections.json(), "test", TokenizerConfig(value_of(config), json::Value(), json::Value()));
  EXPECT_TRUE(made.ok()) << made.status().message();
  if (!made.ok()) return "";
  std::string out;
  for (const std::int32_t id : encode(*made, "x a")) out += std::string(made->token_text(id)) + "|";
  return out;
}

TEST(TokenizerConfig, add_prefix_space_of_a_family_counts) {
  const std::string with = R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})";
  const std::string without = R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})";
  const std::string gpt_yes = R"({"tokenizer_class": "GPT2TokenizerFast", "add_prefix_space": true})";
  const std::string gpt_no = R"({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": false})";
  EXPECT_EQ(spaces("bytes", "null", without, gpt_yes), "Ġx|Ġa|");
  EXPECT_EQ(spaces("bytes", "null", with, gpt_no), "x|Ġa|");
  EXPECT_EQ(spaces("bytes", "null", R"({"type": "Sequence", "pretokenizers": [)" + without + "]}", gpt_yes), "Ġx|Ġa|");
  // The generic class, none at all, a null, and Llama's class on bytes take tokenizer.json as it is.
  for (const char* config : {R"({"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": false})",
                             R"({"add_prefix_space": false})", R"({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": null})",
                             R"({"tokenizer_class": "LlamaTokenizerFast", "add_prefix_space": false})", "{}"})
    EXPECT_EQ(spaces("bytes", "null", with, config), "Ġx|Ġa|") << config;
}

TEST(TokenizerConfig, add_prefix_space_reaches_metaspace_and_prepend) {
  const auto metaspace = [](const std::string& scheme) {
    return R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": ")" + scheme + R"(", "split": true})";
  };
  const std::string prepend = R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}]})";
  const std::string yes = R"({"tokenizer_class": "LlamaTokenizer", "add_prefix_space": true})";
  const std::string no = R"({"tokenizer_class": "LlamaTokenizer", "add_prefix_space": false})";
  EXPECT_EQ(spaces("pieces", "null", metaspace("always"), no), "x|▁a|");
  EXPECT_EQ(spaces("pieces", "null", metaspace("first"), no), "x|▁a|");
  EXPECT_EQ(spaces("pieces", "null", metaspace("never"), yes), "▁x|▁a|");
  EXPECT_EQ(spaces("pieces", prepend, metaspace("never"), no), "x|▁a|");
  EXPECT_EQ(spaces("pieces", R"({"type": "Prepend", "prepend": "▁"})", metaspace("never"), no), "x|▁a|");
}

TEST(TokenizerConfig, no_prefix_space_means_none_is_dropped_in_decoding) {
  const std::string json = file_text(kBugs + "12-first-space-of-answer-lost/model/tokenizer.json");
  const TokenizerConfig none(value_of(R"({"tokenizer_class": "LlamaTokenizer", "add_prefix_space": false})"), json::Value(), json::Value());
  const Result<Tokenizer> tokenizer = Tokenizer::parse(json, "test", none);
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(encode(*tokenizer, "x a"), (Ids{1, 27, 35}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 36, 35}), " x a");
}

class TokenizerFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_tokenizer_" + std::to_string(::getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  void write(const char* name, std::string_view text) const { std::ofstream(dir_ / name) << text; }
  Status status() const { return Tokenizer::load(dir_.string()).status(); }
  fs::path dir_;
};

TEST_F(TokenizerFiles, pointers_of_git_lfs_are_named) {
  const std::string pointer = file_text(kBugs + "08-tokenizer-is-lfs-pointer/model/tokenizer.json");
  const Status of_bug = Tokenizer::load(kBugs + "08-tokenizer-is-lfs-pointer/model").status();
  EXPECT_EQ(of_bug.code(), StatusCode::corrupt);
  EXPECT_NE(of_bug.message().find("Git LFS pointer"), std::string::npos) << of_bug.message();
  const std::string sound = file_text(kBugs + "12-first-space-of-answer-lost/model/tokenizer.json");
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    write("tokenizer.json", sound);
    write(name, pointer);
    EXPECT_NE(status().message().find(name), std::string::npos) << name;
    EXPECT_NE(status().message().find("git lfs pull"), std::string::npos) << status().message();
    write(name, "{");
    EXPECT_EQ(status().code(), StatusCode::corrupt) << name;
    fs::remove(dir_ / name);
  }
  EXPECT_TRUE(status().ok()) << status().message();
}

TEST_F(TokenizerFiles, vocabularies_in_other_formats_are_named_with_a_way_out) {
  const Status of_bug = Tokenizer::load(kBugs + "22-only-tokenizer-model/model").status();
  EXPECT_EQ(of_bug.code(), StatusCode::unsupported);
  EXPECT_NE(of_bug.message().find("only tokenizer.model"), std::string::npos) << of_bug.message();
  write("qwen.tiktoken", "IQ== 0\n");
  EXPECT_EQ(status().code(), StatusCode::unsupported);
  EXPECT_NE(status().message().find("only \"qwen.tiktoken\""), std::string::npos) << status().message();
  EXPECT_EQ(status().message().find("AutoTokenizer"), std::string::npos) << "transformers makes no tokenizer.json of it";
  fs::remove(dir_ / "qwen.tiktoken");
  EXPECT_NE(of_bug.message().find("save_pretrained"), std::string::npos) << of_bug.message();
  EXPECT_EQ(status().code(), StatusCode::not_found);
  for (const char* name : {"tiktoken.model", "tekken.json", "vocab.txt", "vocab.json"}) {
    write(name, "x");
    EXPECT_EQ(status().code(), StatusCode::unsupported);
    EXPECT_NE(status().message().find(name), std::string::npos) << status().message();
  }
}

TEST_F(TokenizerFiles, numbers_too_wide_for_64_bits_are_no_matter) {
  write("tokenizer.json", file_text(kBugs + "12-first-space-of-answer-lost/model/tokenizer.json"));
  write("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656, "pad_token": "<pad>"})");
  ASSERT_TRUE(status().ok()) << status().message();
}

}  // namespace
}  // namespace jang::text
