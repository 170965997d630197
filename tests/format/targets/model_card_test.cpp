// SPDX-License-Identifier: Apache-2.0
// What comes over from the card of a source, and what does not.
#include "format/targets/model_card.h"

#include <gtest/gtest.h>

#include "../../support/contains.h"
#include "../temp_folder.h"

namespace jang::targets {
namespace {

using test::contains;

constexpr const char* kSource = R"(---
license: other
license_name: "llama3.1"
license_link: https://example.org/LICENSE
language:
- en
- 'no'
tags: [text, chat]
base_model: meta/Parent-8B
widget:
- text: "hello: there"
extra:
  license: nested
---
# A model
license: not-front-matter
)";

TEST(ModelCard, front_matter_of_the_source_is_read) {
  const SourceCard card = parse_card(kSource);
  EXPECT_EQ(card.license, "other");
  EXPECT_EQ(card.license_name, "llama3.1");
  EXPECT_EQ(card.license_link, "https://example.org/LICENSE");
  EXPECT_EQ(card.language, (std::vector<std::string>{"en", "no"}));
  EXPECT_EQ(card.tags, (std::vector<std::string>{"text", "chat"}));
  EXPECT_EQ(card.base_model, "meta/Parent-8B");
  EXPECT_EQ(card.base_model_relation, "");
}

TEST(ModelCard, hostile_front_matter_leaves_nothing_behind) {
  for (const char* text : {"", "---", "---\n", "---\nlicense: mit", "license: mit\n---\n", "---\nlicense: mit\n--\n",
                           "---\nlicense: <script>\n---\n", "---\nlicense: a b\n---\n", "---\nlicense: -x\n---\n",
                           "---\nlicense:\n  - &a [*a]\n---\n", "---\nlicense: !!python/object\n---\n", "---\n  license: mit\n---\n"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(parse_card(text).license, "");
  }
  EXPECT_EQ(parse_card("---\r\nlicense: mit\r\n---\r\n").license, "mit");
  const std::string many = "---\ntags: [" + [] {
    std::string all;
    for (int i = 0; i < 5000; ++i) all += "t" + std::to_string(i) + ",";
    return all;
  }() + "]\n---\n";
  EXPECT_LE(parse_card(many).tags.size(), 64u);
  const std::string long_word = "---\nlicense: " + std::string(5000, 'a') + "\n---\n";
  EXPECT_EQ(parse_card(long_word).license, "");
}

TEST(ModelCard, every_truncation_of_a_card_is_read_without_a_license_of_its_own) {
  const std::string whole = kSource;
  for (std::size_t n = 0; n <= whole.size(); ++n) {
    const std::string license = parse_card(whole.substr(0, n)).license;
    EXPECT_TRUE(license.empty() || license == "other") << n;
  }
}

TEST(ModelCard, training_is_told_once_and_only_in_cards_of_ours) {
  const std::string ours = "---\ntags:\n- jang\n---\n# x\n\n## Sizes\n\n## Run\n\n```\n```\n";
  const std::string once = with_training(ours, 300, 0.5, 0.125);
  EXPECT_TRUE(contains(once, "0.12500 nats per token, 0.50000 before"));
  EXPECT_LT(once.find("## Divergence"), once.find("## Run"));
  const std::string twice = with_training(once, 100, 0.125, 0.0625);
  EXPECT_TRUE(contains(twice, "0.06250 nats per token, 0.12500 before"));
  EXPECT_FALSE(contains(twice, "0.50000"));
  EXPECT_EQ(with_training("# Somebody else's\n\n## Run\n", 1, 1, 1), "# Somebody else's\n\n## Run\n");
}

}  // namespace
}  // namespace jang::targets
