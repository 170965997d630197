// SPDX-License-Identifier: Apache-2.0
// MMLU (Hendrycks et al., arXiv 2009.03300) from its CSV files: DIR/test/<subject>_test.csv and, for few-shot prompts,
// DIR/dev/<subject>_dev.csv. A row is question, four choices, answer: a letter A-D as in the original files, or an index 0-3 under the
// header row that some copies have.
//
// Prompt, as the original evaluation code builds it, with one space where its subject names bring a second one:
//
//   The following are multiple choice questions (with answers) about high school physics.
//   <empty line>
//   [per shot: question, lines "A. choice", "Answer: B", empty line]
//   question
//   A. choice ... D. choice
//   Answer:
//
// and the continuations " A", " B", " C", " D". Shots are dropped one by one, the last first, until a prompt fits the context.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/choice.h"
#include "jang/status.h"

namespace jang::eval {

struct MmluQuestion {
  std::string question;
  std::vector<std::string> choices;  // four
  int answer = 0;
};

struct MmluSubject {
  std::string name;  // "high_school_physics"
  std::vector<MmluQuestion> test, dev;
};

enum class MmluSubset : std::uint8_t {
  all,
  first_200,  // the first 20 questions of ten named subjects
};
// The ten subjects, in the order of the protocol.
[[nodiscard]] std::span<const std::string_view> mmlu_200_subjects();

// Questions of one file's text. Errors: corrupt, naming the row; invalid_argument (limits).
[[nodiscard]] Result<std::vector<MmluQuestion>> parse_mmlu(std::string_view text, std::string_view what);

// Subjects sorted by name (all) or in the protocol's order (200). dev is read when shots > 0; at most `shots` of its rows are kept.
// Errors: not_found (no such directory, a subject or its dev file is missing), corrupt, io.
[[nodiscard]] Result<std::vector<MmluSubject>> load_mmlu(const std::string& directory, MmluSubset subset, int shots);

// One item per question; `n_shots` <= the subject's dev rows.
[[nodiscard]] TaskItem mmlu_item(const MmluSubject& subject, std::size_t question, std::size_t n_shots);

struct MmluItem {
  TaskItem item;
  TokenItem tokens;
  int n_shots = 0;  // that fitted
};
// Every question of every subject, in order, with as many shots as fit max_context (0: no limit). Errors: those of encode.
[[nodiscard]] Result<std::vector<MmluItem>> make_mmlu_items(std::span<const MmluSubject> subjects, const Encode& encode,
                                                            std::int32_t start_token, std::int64_t max_context);

}  // namespace jang::eval
