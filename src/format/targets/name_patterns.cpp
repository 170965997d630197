// SPDX-License-Identifier: Apache-2.0
// A leftmost match that begins at the first letter is what re.match finds, and none begins earlier.
#include "format/targets/name_patterns.h"

#include <fmt/format.h>

namespace jang::targets {
namespace {

constexpr std::size_t kMaxExpressions = 4096;
constexpr std::int64_t kMaxQuestions = std::int64_t{1} << 24;
constexpr std::uint32_t kMaxSteps = 100'000;

}  // namespace

Status NamePatterns::add(std::string_view expression) {
  if (regexes_.size() == kMaxExpressions)
    return {StatusCode::unsupported, fmt::format("more than {} regular expressions", kMaxExpressions)};
  JANG_ASSIGN(text::Regex regex, text::Regex::compile(expression));
  searchers_.push_back(std::make_unique<text::Regex::Searcher>(regex, kMaxSteps));
  regexes_.push_back(std::move(regex));
  return {};
}

Result<bool> NamePatterns::matches(std::size_t i, const std::string& name) {
  if (++asked_ > kMaxQuestions) return Status(StatusCode::unsupported, "too many modules for so many regular expressions");
  searchers_[i]->start(name);
  JANG_ASSIGN(const std::optional<text::Match> match, searchers_[i]->next());
  return match && match->begin == 0;
}

Result<int> NamePatterns::first_match(const std::string& name) {
  for (std::size_t i = 0; i < regexes_.size(); ++i) {
    JANG_ASSIGN(const bool found, matches(i, name));
    if (found) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace jang::targets
