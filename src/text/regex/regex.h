// SPDX-License-Identifier: Apache-2.0
// Regular expressions of tokenizer.json: written for Oniguruma (Ruby syntax, UTF-8), run by PCRE2 with its JIT.
//
// The pattern is translated construct by construct (translate.cpp); what has no known equal meaning is refused, never guessed. A search
// is bounded by match, depth and heap limits. A Regex is immutable and shared; searches are thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "jang/status.h"

namespace jang::text {

struct Match {
  std::size_t begin, end;  // byte offsets
};

class Regex {
 public:
  // Errors: unsupported (a construct without an equal in PCRE2), corrupt (not a pattern).
  static Result<Regex> compile(std::string_view pattern);

  // Searches one text from left to right, as the library iterates: an empty match right behind the previous match does not count.
  class Searcher {
   public:
    // `match_limit`: backtracking steps of one match, 0: the default.
    explicit Searcher(const Regex& regex, std::uint32_t match_limit = 0);
    ~Searcher();
    Searcher(const Searcher&) = delete;
    Searcher& operator=(const Searcher&) = delete;
    // `text` must outlive the search and be valid UTF-8.
    void start(std::string_view text);
    // The next match, nullopt at the end. Errors: unsupported (a limit was reached).
    Result<std::optional<Match>> next();

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  struct Code;
  Regex() = default;
  std::shared_ptr<const Code> code_;
};

}  // namespace jang::text
