// SPDX-License-Identifier: Apache-2.0
// Files to questions, questions to prompts.
#include "eval/mmlu.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "base/check.h"
#include "base/file.h"
#include "eval/csv.h"
#include "json/json.h"

namespace jang::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kColumns = 6, kChoices = 4;
constexpr std::size_t kMaxSubjects = 1024;
constexpr std::size_t kMaxFileBytes = 64u << 20;
constexpr std::size_t kQuestionsPerSubject = 20;  // of the subset of 200
constexpr std::string_view kLetters = "ABCD";

constexpr std::array<std::string_view, 10> kSubjects200 = {"abstract_algebra",
                                                           "anatomy",
                                                           "astronomy",
                                                           "college_computer_science",
                                                           "college_physics",
                                                           "high_school_biology",
                                                           "high_school_chemistry",
                                                           "high_school_mathematics",
                                                           "logical_fallacies",
                                                           "world_religions"};

std::string spoken(std::string_view subject) {
  std::string text(subject);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

// -1 when it is none.
int parse_answer(std::string_view field) {
  if (field.size() != 1) return -1;
  if (const std::size_t letter = kLetters.find(field.front()); letter != std::string_view::npos) return static_cast<int>(letter);
  return field.front() >= '0' && field.front() < '0' + static_cast<int>(kChoices) ? field.front() - '0' : -1;
}

std::string question_text(const MmluQuestion& q) {
  std::string text = q.question;
  for (std::size_t i = 0; i < q.choices.size(); ++i) text += fmt::format("\n{}. {}", kLetters[i], q.choices[i]);
  return text + "\nAnswer:";
}

Result<std::vector<MmluQuestion>> read_questions(const std::string& path) {
  JANG_ASSIGN(const std::string text, read_text(path, kMaxFileBytes));
  return parse_mmlu(text, path);
}

// Names of the subjects with a test file, sorted.
Result<std::vector<std::string>> list_subjects(const std::string& directory) {
  constexpr std::string_view suffix = "_test.csv";
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(directory + "/test", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.size() <= suffix.size() || !name.ends_with(suffix) || name.front() == '.') continue;
    names.push_back(name.substr(0, name.size() - suffix.size()));
    if (names.size() > kMaxSubjects)
      return Status(StatusCode::corrupt, fmt::format("{}/test holds more than {} subjects", directory, kMaxSubjects));
  }
  if (names.empty())
    return Status(StatusCode::not_found,
                  fmt::format("{} holds no test/<subject>_test.csv; give the folder with `test` and `dev`", directory));
  std::sort(names.begin(), names.end());
  return names;
}

Status missing(std::string path, std::string_view what) { return {StatusCode::not_found, fmt::format("{} is missing: {}", path, what)}; }

}  // namespace

std::span<const std::string_view> mmlu_200_subjects() { return kSubjects200; }

Result<std::vector<MmluQuestion>> parse_mmlu(std::string_view text, std::string_view what) {
  JANG_ASSIGN(std::vector<CsvRow> rows, parse_csv(text, what, {.max_bytes = kMaxFileBytes, .max_rows = 1u << 20, .max_columns = kColumns}));
  std::vector<MmluQuestion> questions;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    CsvRow& row = rows[r];
    const auto bad = [&](std::string_view why) { return Status(StatusCode::corrupt, fmt::format("{}: row {}: {}", what, r + 1, why)); };
    if (row.size() != kColumns) return bad(fmt::format("{} fields, a question has {}", row.size(), kColumns));
    if (r == 0 && row.front() == "question" && row.back() == "answer") continue;
    MmluQuestion q;
    q.answer = parse_answer(row.back());
    if (q.answer < 0) return bad(fmt::format("the answer is {}, neither A-D nor 0-3", json::quote(row.back(), 16)));
    q.question = std::move(row.front());
    for (std::size_t i = 0; i < kChoices; ++i) q.choices.push_back(std::move(row[1 + i]));
    questions.push_back(std::move(q));
  }
  return questions;
}

Result<std::vector<MmluSubject>> load_mmlu(const std::string& directory, MmluSubset subset, int shots) {
  std::vector<std::string> names(kSubjects200.begin(), kSubjects200.end());
  if (subset == MmluSubset::all) {
    JANG_ASSIGN(names, list_subjects(directory));
  }
  std::vector<MmluSubject> subjects;
  for (const std::string& name : names) {
    MmluSubject s;
    s.name = name;
    Result<std::vector<MmluQuestion>> test = read_questions(fmt::format("{}/test/{}_test.csv", directory, name));
    if (!test.ok() && test.status().code() == StatusCode::not_found)
      return missing(fmt::format("{}/test/{}_test.csv", directory, name), "a subject of this subset");
    if (!test.ok()) return test.status();
    s.test = std::move(test).value();
    if (subset == MmluSubset::first_200) {
      if (s.test.size() < kQuestionsPerSubject)
        return Status(StatusCode::corrupt, fmt::format("{}: {} questions, the subset takes {}", name, s.test.size(), kQuestionsPerSubject));
      s.test.resize(kQuestionsPerSubject);
    }
    if (shots > 0) {
      const std::string path = fmt::format("{}/dev/{}_dev.csv", directory, name);
      Result<std::vector<MmluQuestion>> dev = read_questions(path);
      if (!dev.ok() && dev.status().code() == StatusCode::not_found)
        return missing(path, "few-shot examples come from it; or give --shots 0");
      if (!dev.ok()) return dev.status();
      s.dev = std::move(dev).value();
      s.dev.resize(std::min(s.dev.size(), static_cast<std::size_t>(shots)));
    }
    subjects.push_back(std::move(s));
  }
  return subjects;
}

TaskItem mmlu_item(const MmluSubject& subject, std::size_t question, std::size_t n_shots) {
  JANG_CHECK(question < subject.test.size() && n_shots <= subject.dev.size());
  const MmluQuestion& q = subject.test[question];
  TaskItem item;
  item.id = fmt::format("{}/{}", subject.name, question);
  item.subject = subject.name;
  item.context = fmt::format("The following are multiple choice questions (with answers) about {}.\n\n", spoken(subject.name));
  for (std::size_t i = 0; i < n_shots; ++i)
    item.context += fmt::format("{} {}\n\n", question_text(subject.dev[i]), kLetters[static_cast<std::size_t>(subject.dev[i].answer)]);
  item.context += question_text(q);
  for (const char letter : kLetters) item.continuations.push_back(fmt::format(" {}", letter));
  item.lengths.assign(kChoices, 1);
  item.answer = q.answer;
  return item;
}

Result<std::vector<MmluItem>> make_mmlu_items(std::span<const MmluSubject> subjects, const Encode& encode, std::int32_t start_token,
                                              std::int64_t max_context) {
  std::vector<MmluItem> items;
  for (const MmluSubject& subject : subjects) {
    for (std::size_t q = 0; q < subject.test.size(); ++q) {
      for (std::size_t shots = subject.dev.size();; --shots) {
        TaskItem item = mmlu_item(subject, q, shots);
        JANG_ASSIGN(TokenItem tokens, tokenize_item(item, encode, start_token, max_context));
        if (tokens.cut && shots > 0) continue;
        items.push_back({std::move(item), std::move(tokens), static_cast<int>(shots)});
        break;
      }
    }
  }
  return items;
}

}  // namespace jang::eval
