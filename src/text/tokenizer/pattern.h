// SPDX-License-Identifier: Apache-2.0
// The pattern of Replace and Split: a text to find literally, or a regex.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"
#include "text/regex/regex.h"
#include "text/tokenizer/section.h"

namespace jang::text {

class Pattern {
 public:
  static Result<Pattern> make(const PatternText& from) {
    Pattern pattern;
    if (from.is_regex || from.text.empty()) {
      JANG_ASSIGN(Regex regex, Regex::compile(from.text));
      pattern.regex_ = std::move(regex);
    } else {
      pattern.literal_ = from.text;
    }
    return pattern;
  }

  // visit(match) for every match from left to right.
  template <typename Visit>
  Status for_each_match(std::string_view text, Visit visit) const {
    if (text.empty()) return {};
    if (!regex_) {
      for (std::size_t at = 0; (at = text.find(literal_, at)) != std::string_view::npos; at += literal_.size())
        visit(Match{at, at + literal_.size()});
      return {};
    }
    Regex::Searcher searcher(*regex_);
    searcher.start(text);
    for (;;) {
      JANG_ASSIGN(const std::optional<Match> match, searcher.next());
      if (!match) return {};
      visit(*match);
    }
  }

  [[nodiscard]] const std::optional<Regex>& regex() const { return regex_; }
  [[nodiscard]] const std::string& literal() const { return literal_; }  // when there is no regex

 private:
  std::string literal_;
  std::optional<Regex> regex_;
};

}  // namespace jang::text
