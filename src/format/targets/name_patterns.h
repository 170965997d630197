// SPDX-License-Identifier: Apache-2.0
// Names of modules as the configs of engines write them: whole names, and regular expressions that match from the first letter on but need
// not reach the last (Python's re.match). Configs come from outside, so an expression has a bound of steps, and a config one of
// expressions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"
#include "text/regex/regex.h"

namespace jang::targets {

class NamePatterns {
 public:
  // `expression`: matched after those that were added before it. Errors: corrupt (no expression), unsupported (a construct that is not
  // read, or too many).
  [[nodiscard]] Status add(std::string_view expression);
  [[nodiscard]] std::size_t size() const { return regexes_.size(); }
  // Whether expression `i` matches. Not thread safe. Errors: unsupported (it takes too many steps, or there were too many questions).
  [[nodiscard]] Result<bool> matches(std::size_t i, const std::string& name);
  // The first that matches, -1: none.
  [[nodiscard]] Result<int> first_match(const std::string& name);

 private:
  std::vector<text::Regex> regexes_;
  std::vector<std::unique_ptr<text::Regex::Searcher>> searchers_;
  std::int64_t asked_ = 0;
};

}  // namespace jang::targets
