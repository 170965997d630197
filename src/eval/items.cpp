// SPDX-License-Identifier: Apache-2.0
// Logs are outside data when they come back: every field is checked.
#include "eval/items.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "base/check.h"
#include "eval/numbers.h"

namespace jang::eval {
namespace {

constexpr std::size_t kMaxLogItems = 1u << 22;
constexpr std::size_t kMaxChoices = 1024;

// Index of the largest value; a NaN never wins.
int arg_max(std::span<const double> x) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < x.size(); ++i)
    if (x[i] > x[best] || std::isnan(x[best])) best = i;
  return static_cast<int>(best);
}

Result<ItemResult> parse_item(const json::Value& v) {
  const auto bad = [](std::string_view why) { return Status(StatusCode::corrupt, std::string(why)); };
  if (!v.is_object()) return bad("not an object");
  ItemResult r;
  JANG_ASSIGN(const std::int64_t index, json::get_int(v, "item", -1, 0, static_cast<std::int64_t>(kMaxLogItems)));
  if (index < 0) return bad("`item` is missing");
  r.item = static_cast<std::size_t>(index);
  JANG_ASSIGN(r.id, json::get_string(v, "id", ""));
  JANG_ASSIGN(r.subject, json::get_string(v, "subject", ""));
  const json::Value* logs = json::find(v, "log_likelihood");
  if (!logs || !logs->is_array() || logs->empty() || logs->size() > kMaxChoices) return bad("`log_likelihood` is not a list of choices");
  for (const json::Value& x : *logs) {
    if (!x.is_number() && !x.is_null()) return bad("`log_likelihood` holds something that is not a number");
    r.log_likelihood.push_back(x.is_null() ? std::numeric_limits<double>::quiet_NaN() : x.get<double>());
  }
  const auto last = static_cast<std::int64_t>(r.log_likelihood.size()) - 1;
  JANG_ASSIGN(const std::int64_t answer, json::get_int(v, "answer", 0, 0, last));
  JANG_ASSIGN(const std::int64_t choice, json::get_int(v, "choice", 0, 0, last));
  JANG_ASSIGN(const std::int64_t choice_norm, json::get_int(v, "choice_norm", choice, 0, last));
  r.answer = static_cast<int>(answer);
  r.choice = static_cast<int>(choice);
  r.choice_norm = static_cast<int>(choice_norm);
  JANG_ASSIGN(r.correct, json::get_bool(v, "correct", false));
  JANG_ASSIGN(r.correct_norm, json::get_bool(v, "correct_norm", r.correct));
  JANG_ASSIGN(r.cut, json::get_bool(v, "cut", false));
  return r;
}

json::Value interval_json(const Interval& i) { return {i.low, i.high}; }

}  // namespace

ItemResult result_of(std::size_t index, const TaskItem& item, const ItemScore& score) {
  JANG_CHECK(score.log_likelihood.size() == item.continuations.size());
  ItemResult r;
  r.item = index;
  r.id = item.id;
  r.subject = item.subject;
  r.answer = item.answer;
  r.log_likelihood = score.log_likelihood;
  r.cut = score.cut;
  if (item.continuations.size() == 1) {
    r.correct = r.correct_norm = score.greedy.front() != 0;
    return r;
  }
  std::vector<double> per_character = score.log_likelihood;
  for (std::size_t i = 0; i < per_character.size(); ++i)
    per_character[i] /= static_cast<double>(std::max<std::int64_t>(1, i < item.lengths.size() ? item.lengths[i] : 1));
  r.choice = arg_max(r.log_likelihood);
  r.choice_norm = arg_max(per_character);
  r.correct = r.choice == r.answer && std::isfinite(r.log_likelihood[static_cast<std::size_t>(r.choice)]);
  r.correct_norm = r.choice_norm == r.answer && std::isfinite(r.log_likelihood[static_cast<std::size_t>(r.choice_norm)]);
  return r;
}

std::string item_line(const ItemResult& r) {
  json::Value v = json::Value::object();
  v["item"] = r.item;
  v["id"] = r.id;
  if (!r.subject.empty()) v["subject"] = r.subject;
  v["answer"] = r.answer;
  json::Value logs = json::Value::array();
  for (const double x : r.log_likelihood) logs.push_back(finite_or_null(x));
  v["log_likelihood"] = std::move(logs);
  v["choice"] = r.choice;
  v["correct"] = r.correct;
  if (r.log_likelihood.size() > 1) {
    v["choice_norm"] = r.choice_norm;
    v["correct_norm"] = r.correct_norm;
  }
  if (r.cut) v["cut"] = true;
  return json::dump(v) + "\n";
}

Result<std::vector<ItemResult>> parse_item_log(std::string_view text, std::string_view what, bool complete_only) {
  std::vector<ItemResult> items;
  std::map<std::size_t, std::size_t> lines;  // item to line
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos && complete_only) break;
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (part.empty()) continue;
    const std::string where = fmt::format("{}: line {}", what, line);
    if (items.size() == kMaxLogItems) return Status(StatusCode::corrupt, where + ": too many items");
    JANG_ASSIGN(const json::Value value, json::parse(part, where, {.max_bytes = 1u << 20, .max_depth = 4}));
    Result<ItemResult> item = parse_item(value);
    if (!item.ok()) return item.status().with_context(where);
    if (const auto [at, fresh] = lines.emplace(item->item, line); !fresh)
      return Status(StatusCode::corrupt, fmt::format("{}: item {} again, first in line {}", where, item->item, at->second));
    items.push_back(std::move(item).value());
  }
  return items;
}

Accuracy accuracy_of(std::int64_t correct, std::int64_t n) { return {correct, n, wilson(correct, n)}; }

TaskSummary summarize(std::span<const ItemResult> items) {
  TaskSummary s;
  struct Count {
    std::int64_t correct = 0, n = 0;
  };
  std::vector<std::pair<std::string, Count>> subjects;
  std::map<std::string, std::size_t> places;
  std::int64_t correct = 0, correct_norm = 0;
  std::vector<double> word_nll;
  for (const ItemResult& item : items) {
    correct += item.correct;
    correct_norm += item.correct_norm;
    s.n_cut += item.cut;
    if (item.log_likelihood.size() == 1) word_nll.push_back(-item.log_likelihood.front());
    if (item.subject.empty()) continue;
    const auto [at, fresh] = places.emplace(item.subject, subjects.size());
    if (fresh) subjects.emplace_back(item.subject, Count{});
    ++subjects[at->second].second.n;
    subjects[at->second].second.correct += item.correct;
  }
  const auto n = static_cast<std::int64_t>(items.size());
  s.raw = accuracy_of(correct, n);
  s.normalised = accuracy_of(correct_norm, n);
  for (const auto& [name, count] : subjects) s.subjects.push_back({name, accuracy_of(count.correct, count.n)});
  if (!word_nll.empty() && word_nll.size() == items.size()) s.word_perplexity = exp_of(mean_of(word_nll));
  return s;
}

void add_to_json(const TaskSummary& s, json::Value* object) {
  json::Value& v = *object;
  v["accuracy"] = s.raw.value();
  v["accuracy_interval"] = interval_json(s.raw.interval);
  v["correct"] = s.raw.correct;
  v["items"] = s.raw.n;
  if (s.word_perplexity) {
    v["word_perplexity"] = finite_or_null(s.word_perplexity->value);
    v["word_perplexity_stderr"] = finite_or_null(s.word_perplexity->standard_error);
  } else {
    v["accuracy_norm"] = s.normalised.value();
    v["accuracy_norm_interval"] = interval_json(s.normalised.interval);
  }
  v["cut"] = s.n_cut;
  if (s.subjects.empty()) return;
  json::Value rows = json::Value::array();
  for (const TaskSummary::Subject& subject : s.subjects) {
    json::Value row = json::Value::object();
    row["name"] = subject.name;
    row["accuracy"] = subject.raw.value();
    row["interval"] = interval_json(subject.raw.interval);
    row["correct"] = subject.raw.correct;
    row["items"] = subject.raw.n;
    rows.push_back(std::move(row));
  }
  v["subjects"] = std::move(rows);
}

Result<Comparison> compare_items(std::span<const ItemResult> first, std::span<const ItemResult> second) {
  const auto differ = [](std::string why) { return Status(StatusCode::invalid_argument, "not the same items: " + why); };
  if (first.size() != second.size()) return differ(fmt::format("{} and {} of them", first.size(), second.size()));
  std::map<std::size_t, const ItemResult*> by_item;
  for (const ItemResult& r : second) by_item[r.item] = &r;
  Comparison c;
  for (const ItemResult& a : first) {
    const auto found = by_item.find(a.item);
    if (found == by_item.end()) return differ(fmt::format("item {} is in one only", a.item));
    const ItemResult& b = *found->second;
    if (a.id != b.id || a.answer != b.answer || a.log_likelihood.size() != b.log_likelihood.size())
      return differ(fmt::format("item {} has another id, answer or number of choices", a.item));
    (a.correct ? (b.correct ? c.both : c.only_first) : (b.correct ? c.only_second : c.neither)) += 1;
  }
  c.p = mcnemar_exact(c.only_first, c.only_second);
  return c;
}

json::Value to_json(const Comparison& c) {
  json::Value v = json::Value::object();
  v["test"] = "exact McNemar";
  v["only_first"] = c.only_first;
  v["only_second"] = c.only_second;
  v["both"] = c.both;
  v["neither"] = c.neither;
  v["p"] = c.p;
  return v;
}

}  // namespace jang::eval
