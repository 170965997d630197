// SPDX-License-Identifier: Apache-2.0
// Normalizers one by one. The expected texts are what the `tokenizers` library gives.
#include "text/tokenizer/normalizer.h"

#include <gtest/gtest.h>

#include "text/unicode/normalization_forms.h"

namespace jang::text {
namespace {

std::string normalize(const std::string& section, std::string_view text) {
  const Result<json::Value> value = json::parse(section, "test");
  EXPECT_TRUE(value.ok()) << section;
  const Result<Normalizer> normalizer = Normalizer::parse(value.value());
  if (!normalizer.ok()) {
    ADD_FAILURE() << normalizer.status().message();
    return "";
  }
  Stretch stretch;
  stretch.text = text;
  const Status status = normalizer->apply(stretch);
  EXPECT_TRUE(status.ok()) << status.message();
  return stretch.text;
}

std::string typed(std::string_view type) { return R"({"type":")" + std::string(type) + "\"}"; }

TEST(Normalizer, forms_compose_and_decompose) {
  EXPECT_EQ(normalize(typed("NFC"), "e\xcc\x81 \xe1\x84\x80\xe1\x85\xa1"), "\xc3\xa9 \xea\xb0\x80");
  EXPECT_EQ(normalize(typed("NFD"), "\xc3\xa9 \xea\xb0\x80"), "e\xcc\x81 \xe1\x84\x80\xe1\x85\xa1");
  EXPECT_EQ(normalize(typed("NFKC"), "\xef\xac\x81 \xef\xbc\x92 \xe2\x91\xa0"), "fi 2 1");
  EXPECT_EQ(normalize(typed("NFKD"), "\xe1\xba\x9b\xcc\xa3"), "s\xcc\xa3\xcc\x87");
  EXPECT_EQ(normalize(typed("NFC"), "plain"), "plain");
}

TEST(Normalizer, forms_know_unicode_9_only) {
  EXPECT_EQ(normalize(typed("NFKC"), "\xe3\x8b\xbf"), "\xe3\x8b\xbf");                   // U+32FF, Unicode 12.1
  EXPECT_EQ(normalize(typed("NFD"), "a\xcd\x85\xe1\xab\x80"), "a\xcd\x85\xe1\xab\x80");  // U+1AC0, Unicode 13: not reordered
}

TEST(Normalizer, lower_case_may_be_two_characters) {
  EXPECT_EQ(normalize(typed("Lowercase"), "ABC \xc3\x84\xce\xa9 \xc4\xb0"), "abc \xc3\xa4\xcf\x89 i\xcc\x87");
}

TEST(Normalizer, strips_and_accents) {
  EXPECT_EQ(normalize(R"({"type":"Strip","strip_left":true,"strip_right":true})", " \t\xe3\x80\x80 a b\n"), "a b");
  EXPECT_EQ(normalize(R"({"type":"Strip","strip_left":false,"strip_right":true})", " a "), " a");
  EXPECT_EQ(normalize(R"({"type":"Strip","strip_left":true,"strip_right":true})", "  "), "");
  EXPECT_EQ(normalize(typed("StripAccents"), "e\xcc\x81\xc3\xa9"), "e\xc3\xa9");
}

TEST(Normalizer, replace_and_prepend) {
  EXPECT_EQ(normalize(R"({"type":"Replace","pattern":{"String":"aa"},"content":"b"})", "aaaaac"), "bbac");
  EXPECT_EQ(normalize(R"({"type":"Replace","pattern":{"Regex":"x*"},"content":"-"})", "axb"), "-a-b-");
  EXPECT_EQ(normalize(R"({"type":"Prepend","prepend":"__"})", "a"), "__a");
  EXPECT_EQ(normalize(R"({"type":"Prepend","prepend":"__"})", ""), "");
}

TEST(Normalizer, bert_cleans_spaces_and_lowers) {
  const std::string bert =
      R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})";
  EXPECT_EQ(normalize(bert, std::string_view("\0\x01 H\xc3\xa9llo\t\xe4\xb8\xad\xef\xbf\xbd", 17)), " hello  \xe4\xb8\xad ");
}

TEST(Normalizer, sequences_run_in_order) {
  EXPECT_EQ(normalize(R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"A "},{"type":"Sequence","normalizers":[)"
                      R"({"type":"Lowercase"},{"type":"Replace","pattern":{"String":" "},"content":"_"}]}]})",
                      "B C"),
            "a_b_c");
}

TEST(Normalizer, byte_level_spells_bytes) { EXPECT_EQ(normalize(typed("ByteLevel"), "a \xc3\xa9\n"), "a\xc4\xa0\xc3\x83\xc2\xa9\xc4\x8a"); }

// U+0041 maps to "b" in a map of one entry: unit 0 leads to the unit of 'A', a leaf, whose value is offset 0.
TEST(Normalizer, precompiled_maps_are_read) {
  std::vector<std::uint32_t> trie(1024, 0);
  trie[0] = 512u << 10;                          // children of the root at 512 ^ label
  trie[512 ^ 'A'] = (1u << 10) | 1u << 8 | 'A';  // leaf; its value at 512 ^ 'A' ^ 1
  trie[512 ^ 'A' ^ 1] = 0x80000000u;
  std::string bytes(4, '\0');
  const auto size = static_cast<std::uint32_t>(trie.size() * 4);
  std::memcpy(bytes.data(), &size, 4);
  bytes.append(reinterpret_cast<const char*>(trie.data()), size);
  bytes.append("bb\0", 3);
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string base64;
  bytes.resize((bytes.size() + 2) / 3 * 3, '\0');
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t v = 0;
    for (std::size_t j = 0; j < 3; ++j) v = v << 8 | static_cast<unsigned char>(bytes[i + j]);
    for (int shift = 18; shift >= 0; shift -= 6) base64 += kDigits[v >> shift & 63];
  }
  EXPECT_EQ(normalize(R"({"type":"Precompiled","precompiled_charsmap":")" + base64 + "\"}", "xAy A\xcc\x81"), "xbby bb");
}

}  // namespace
}  // namespace jang::text
