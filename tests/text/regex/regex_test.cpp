// SPDX-License-Identifier: Apache-2.0
// Oniguruma patterns on PCRE2: where the two differ, and what is refused.
#include "text/regex/regex.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/regex/translate.h"

namespace jang::text {
namespace {

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  const Result<Regex> regex = Regex::compile(pattern);
  if (!regex.ok()) {
    ADD_FAILURE() << regex.status().message();
    return {};
  }
  Regex::Searcher searcher(regex.value());
  searcher.start(text);
  std::vector<std::string> found;
  for (;;) {
    const Result<std::optional<Match>> match = searcher.next();
    if (!match.ok()) {
      ADD_FAILURE() << match.status().message();
      return found;
    }
    if (!match.value()) return found;
    found.emplace_back(text.substr(match.value()->begin, match.value()->end - match.value()->begin));
  }
}

using Found = std::vector<std::string>;

TEST(Regex, qwen_pattern_splits_as_the_library) {
  EXPECT_EQ(matches(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
                    "It'S 12:  a\n\n b!!\n"),
            (Found{"It", "'S", " ", "1", "2", ":", " ", " a", "\n\n", " b", "!!\n"}));
}

TEST(Regex, white_space_is_the_property) {
  EXPECT_EQ(matches(R"(\s)", "\xc2\x85\xe1\xa0\x8e\xc2\xa0"), (Found{"\xc2\x85", "\xc2\xa0"}));  // U+180E is none
  EXPECT_EQ(matches(R"([^\S\n]+)", " \n\t"), (Found{" ", "\t"}));
}

TEST(Regex, letters_newer_than_pcre2_match) {
  EXPECT_EQ(matches(R"(\p{L})", "\xf0\xae\xaf\xb0"), (Found{"\xf0\xae\xaf\xb0"}));  // U+2EBF0, Unicode 15.1
  EXPECT_EQ(matches(R"(\P{L})", "\xf0\xae\xaf\xb0"), (Found{}));
  EXPECT_EQ(matches(R"(\p{Han})", "\xe3\x80\x81\xe4\xbd\xa0"), (Found{"\xe4\xbd\xa0"}));  // a script, not its extensions
}

TEST(Regex, ruby_meanings_hold) {
  EXPECT_EQ(matches(R"(\h+)", "fF09g"), (Found{"fF09"}));
  EXPECT_EQ(matches(R"(^.)", "a\nb"), (Found{"a", "b"}));
  EXPECT_EQ(matches(R"(a.b)", "a\nb"), (Found{}));
  EXPECT_EQ(matches(R"((?m:a.b))", "a\nb"), (Found{"a\nb"}));
  EXPECT_EQ(matches(R"(\d{1,2}+)", "12345"), (Found{"12345"}));  // a repetition of a repetition
  EXPECT_EQ(matches(R"(x{,2}y)", "xxxy"), (Found{"xxy"}));
  EXPECT_EQ(matches(R"(a{x)", "a{x"), (Found{"a{x"}));
  EXPECT_EQ(matches(R"(\bb\u0301?\b)", "b\xcc\x81 bc"), (Found{"b\xcc\x81"}));  // marks are word characters
  EXPECT_EQ(matches(R"((?i:S))", "s\xc5\xbf"), (Found{"s", "\xc5\xbf"}));
}

TEST(Regex, empty_matches_do_not_follow_a_match) { EXPECT_EQ(matches("x*", "axb"), (Found{"", "x", ""})); }

TEST(Regex, unknown_constructs_are_refused) {
  for (const char* pattern : {R"((a)\1)", R"(\Ga)", R"(a\Kb)", R"(\X)", R"((?x: a))", R"(a(?i)b)", R"((?i:ss))", R"((?i:é))",
                              R"(\p{Klingon})", R"(\xff)", R"(a**)", R"(a{2}?)", R"([[:alpha:]])", R"([]a])", R"((?R))"})
    EXPECT_EQ(Regex::compile(pattern).status().code(), StatusCode::unsupported) << pattern;
}

TEST(Regex, broken_patterns_are_refused) {
  for (const char* pattern : {"(", ")", "[a", "*", "a|+", R"(\)", R"(\p{L)", R"(\x{110000})", R"(\ud800)", "[b-a]", "(?<n", "\xff"})
    EXPECT_EQ(Regex::compile(pattern).status().code(), StatusCode::corrupt) << pattern;
}

TEST(Regex, runaway_patterns_stop) {
  const Result<Regex> regex = Regex::compile("(?:a|a)*b|(?:a+)+c");
  ASSERT_TRUE(regex.ok());
  Regex::Searcher searcher(regex.value());
  const std::string text(3000, 'a');
  searcher.start(text);
  const auto match = searcher.next();
  EXPECT_EQ(match.status().code(), StatusCode::unsupported);
}

// A class in a class, intersections and bracket names on one text. What the library `tokenizers` 0.23 gives (Split, "removed", inverted).
TEST(Regex, nested_classes_match_as_in_the_library) {
  const std::string text = "Hi, you! abc&|[](x) bx AEIOU aeiou_09 f\u00e9e \u03a9m\u0301 \u65e5\u672c z-\u00b2\n\tdeadBEEF mnop";
  const std::vector<std::pair<std::string_view, Found>> cases = {
      {R"re( ?[^(\s|[.,!?])]+)re",
       {"Hi", " you", " abc&", "[]", "x", " bx", " AEIOU", " aeiou_09", " f\u00e9e", " \u03a9m\u0301", " \u65e5\u672c", " z-\u00b2",
        "deadBEEF", " mnop"}},
      {R"re([a[bc]d]+)re", {"abc", "b", "a", "d", "ad"}},
      {R"re([^a[bc]]+)re",
       {"Hi, you! ", "&|[](x) ", "x AEIOU ", "eiou_09 f\u00e9e \u03a9m\u0301 \u65e5\u672c z-\u00b2\n\tde", "dBEEF mnop"}},
      {R"re([a-z&&[^aeiou]]+)re", {"y", "bc", "x", "bx", "f", "m", "z", "d", "d", "mn", "p"}},
      {R"re([\w&&[^\d_]]+)re",
       {"Hi", "you", "abc", "x", "bx", "AEIOU", "aeiou", "f\u00e9e", "\u03a9m\u0301", "\u65e5\u672c", "z", "deadBEEF", "mnop"}},
      {R"re([^\w&&[a-f]]+)re",
       {"Hi, you! ", "&|[](x) ", "x AEIOU ", "iou_09 ", "\u00e9", " \u03a9m\u0301 \u65e5\u672c z-\u00b2\n\t", "BEEF mnop"}},
      {R"re([a-w&&[^c-g]z]+)re", {"i", "ou", "ab", "b", "a", "iou", "m", "a", "mnop"}},
      {R"re([[a-c][x-z]]+)re", {"y", "abc", "x", "bx", "a", "z", "a"}},
      {R"re([a-z&&[b-y]&&[^m]]+)re", {"i", "you", "bc", "x", "bx", "eiou", "f", "e", "de", "d", "nop"}},
      {R"re([[^a]]+)re", {"Hi, you! ", "bc&|[](x) bx AEIOU ", "eiou_09 f\u00e9e \u03a9m\u0301 \u65e5\u672c z-\u00b2\n\tde", "dBEEF mnop"}},
      {R"re([^[^a]]+)re", {"a", "a", "a"}},
      {R"re([^[^a-f]&&[a-c]]+)re", {"Hi, you! abc&|[](x) bx AEIOU aeiou_09 f\u00e9e \u03a9m\u0301 \u65e5\u672c z-\u00b2\n\tdeadBEEF mnop"}},
      {R"re([[:digit:]a]+)re", {"a", "a", "09", "a"}},
      {R"re([^[:space:]]+)re",
       {"Hi,", "you!", "abc&|[](x)", "bx", "AEIOU", "aeiou_09", "f\u00e9e", "\u03a9m\u0301", "\u65e5\u672c", "z-\u00b2", "deadBEEF",
        "mnop"}},
      {R"re([[:xdigit:]]+)re", {"abc", "b", "AE", "ae", "09", "f", "e", "deadBEEF"}},
      {R"re([[:word:]&&[^[:digit:]]]+)re",
       {"Hi", "you", "abc", "x", "bx", "AEIOU", "aeiou_", "f\u00e9e", "\u03a9m\u0301", "\u65e5\u672c", "z", "deadBEEF", "mnop"}},
      {R"re([a&b]+)re", {"ab", "&", "b", "a", "a"}},
      {R"re([a-z&&[^\p{L}]]+)re", {}},
      {R"re([\p{L}&&[^\p{Lu}]]+)re", {"i", "you", "abc", "x", "bx", "aeiou", "f\u00e9e", "m", "\u65e5\u672c", "z", "dead", "mnop"}},
      {R"re((?<=[a-z&&[^b]])x)re", {}},
      {R"re([\S&&[^a]]+)re",
       {"Hi,", "you!", "bc&|[](x)", "bx", "AEIOU", "eiou_09", "f\u00e9e", "\u03a9m\u0301", "\u65e5\u672c", "z-\u00b2", "de", "dBEEF",
        "mnop"}},
      {R"re([a[^b\S]]+)re", {" ", " a", " ", " ", " a", " ", " ", " ", " ", "\n\t", "a", " "}},
      {R"re([[a-z]&&[^aeiou]]{2,})re", {"bc", "bx", "mn"}},
      {R"re([[[[a]]]]+)re", {"a", "a", "a"}},
      {R"re([^\s[a-c]]+)re",
       {"Hi,", "you!", "&|[](x)", "x", "AEIOU", "eiou_09", "f\u00e9e", "\u03a9m\u0301", "\u65e5\u672c", "z-\u00b2", "de", "dBEEF", "mnop"}},
      {R"re([(|)[a]]+)re", {"a", "|", "(", ")", "a", "a"}},
      {R"re([a-z&&\w]+)re", {"i", "you", "abc", "x", "bx", "aeiou", "f", "e", "m", "z", "dead", "mnop"}},
      {R"re([\p{L}&&\p{Latin}]+)re", {"Hi", "you", "abc", "x", "bx", "AEIOU", "aeiou", "f\u00e9e", "m", "z", "deadBEEF", "mnop"}},
  };
  for (const auto& [pattern, expected] : cases) EXPECT_EQ(matches(pattern, text), expected) << pattern;
}

TEST(Regex, number_signs_are_words_outside_of_classes_only) {
  const std::string text = "a\u00b2b\u00aa\u00bc.";
  EXPECT_EQ(matches(R"(\w+)", text), (Found{"a\u00b2b\u00aa\u00bc"}));
  EXPECT_EQ(matches(R"([\w]+)", text), (Found{"a", "b\u00aa"}));
  EXPECT_EQ(matches(R"([\W]+)", text), (Found{"\u00b2", "\u00bc."}));
  EXPECT_EQ(matches(R"(\W+)", text), (Found{"."}));
}

TEST(Regex, nested_classes_without_a_known_meaning_are_refused) {
  for (const char* pattern :
       {"[a&&]", "[&&a]", "[a&&&&b]", "[a-[b]]", "[[a]-z]", "[[:alpha:]]", "[[:nonsense:]]", "(?i:[a[^b]])", "(?i:[a&&b])"})
    EXPECT_EQ(translate_pattern(pattern).status().code(), StatusCode::unsupported) << pattern;
  for (const char* pattern : {"[a[b]", "[[", "[a&&b", "[[a]"}) EXPECT_FALSE(translate_pattern(pattern).ok()) << pattern;
  EXPECT_TRUE(translate_pattern(std::string(15, '[') + "a" + std::string(15, ']')).ok());
  EXPECT_EQ(translate_pattern(std::string(4000, '[') + "a" + std::string(4000, ']')).status().code(), StatusCode::unsupported);
}

}  // namespace
}  // namespace jang::text
