// SPDX-License-Identifier: Apache-2.0
// Scores of windows as JSON lines: the item log of perplexity and divergence, and what an interrupted comparison continues from.
//
//   {"window":0,"nll":[...],"kld":[...],"same":"0110..."}        kld and same are absent for the reference; null is a number that is not
//   finite
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/scoring.h"
#include "eval/windows.h"

namespace jang::eval {

// One line, with its LF.
[[nodiscard]] std::string score_line(const WindowScores& scores);

// Scores by window; a window without a line has an empty nll. Every line must fit the windows: an index in range, once, with as many values
// as the window has scored tokens, and `with_kld` or not. Errors: corrupt, naming the line.
[[nodiscard]] Result<std::vector<WindowScores>> parse_score_log(std::string_view text, std::string_view what,
                                                                std::span<const Window> windows, bool with_kld);

}  // namespace jang::eval
