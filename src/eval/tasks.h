// SPDX-License-Identifier: Apache-2.0
// Tasks from JSON lines, one item a line:
//
//   {"context": "...", "choices": ["...", ...], "answer": 2}    choose; `answer` is an index, or the text of a choice
//   {"text": "... last"}                                       last word (LAMBADA): predict the last word from what is before it
//   {"context": "...", "continuation": "..."}                   the same with the border given
//
// `id` (string or number) and `subject` (string) are optional, other keys are ignored. A file holds items of one kind. A choice is joined
// to its context by a space, unless either side of the border has white space already or the context is empty.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/choice.h"
#include "jang/status.h"

namespace jang::eval {

struct TaskLimits {
  std::size_t max_bytes = 1u << 30;
  std::size_t max_line_bytes = 4u << 20;
  std::size_t max_items = 1u << 22;
  std::size_t max_choices = 1024;
};

// Items in order; empty lines are skipped. Errors: corrupt, naming the line; invalid_argument (limits, or no item at all).
[[nodiscard]] Result<std::vector<TaskItem>> parse_tasks(std::string_view text, std::string_view what, const TaskLimits& limits = {});

}  // namespace jang::eval
