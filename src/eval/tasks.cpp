// SPDX-License-Identifier: Apache-2.0
// Line by line; every line is a strict JSON document of its own.
#include "eval/tasks.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"
#include "json/json.h"

namespace jang::eval {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string joined(std::string_view context, std::string_view choice) {
  const bool apart = context.empty() || choice.empty() || is_space(context.back()) || is_space(choice.front());
  return apart ? std::string(choice) : " " + std::string(choice);
}

Status bad(std::string why) { return {StatusCode::corrupt, std::move(why)}; }

Result<int> read_answer(const json::Value& v, const std::vector<std::string>& choices) {
  const json::Value* answer = json::find(v, "answer");
  if (!answer) return bad("`answer` is missing");
  if (answer->is_string()) {
    const auto found = std::find(choices.begin(), choices.end(), answer->get_ref<const std::string&>());
    if (found == choices.end()) return bad("`answer` is a text that is none of the choices");
    return static_cast<int>(found - choices.begin());
  }
  JANG_ASSIGN(const std::int64_t index, json::get_int(v, "answer", -1, 0, static_cast<std::int64_t>(choices.size()) - 1));
  return static_cast<int>(index);
}

Status read_choices(const json::Value& v, const json::Value& choices, const TaskLimits& limits, TaskItem* item) {
  if (!choices.is_array() || choices.size() < 2) return bad("`choices` is not a list of at least two");
  if (choices.size() > limits.max_choices) return bad(fmt::format("more than {} choices", limits.max_choices));
  std::vector<std::string> texts;
  for (const json::Value& choice : choices) {
    if (!choice.is_string() || choice.get_ref<const std::string&>().empty()) return bad("a choice is not a text, or empty");
    texts.push_back(choice.get<std::string>());
  }
  if (!json::find(v, "context")) return bad("`context` is missing");
  JANG_ASSIGN(item->context, json::get_string(v, "context", ""));
  JANG_ASSIGN(item->answer, read_answer(v, texts));
  for (const std::string& text : texts) {
    item->continuations.push_back(joined(item->context, text));
    item->lengths.push_back(static_cast<std::int64_t>(utf8::count(text)));
  }
  return {};
}

Status read_last_word(const json::Value& v, TaskItem* item) {
  if (json::find(v, "continuation")) {
    JANG_ASSIGN(item->context, json::get_string(v, "context", ""));
    JANG_ASSIGN(const std::string continuation, json::get_string(v, "continuation", ""));
    if (continuation.empty()) return bad("`continuation` is empty");
    item->continuations.push_back(joined(item->context, continuation));
    item->lengths.push_back(static_cast<std::int64_t>(utf8::count(continuation)));
    return {};
  }
  JANG_ASSIGN(std::string text, json::get_string(v, "text", ""));
  while (!text.empty() && is_space(text.back())) text.pop_back();
  std::size_t word = text.size();
  while (word > 0 && !is_space(text[word - 1])) --word;
  std::size_t border = word;
  while (border > 0 && is_space(text[border - 1])) --border;
  if (border == 0) return bad("`text` has fewer than two words");
  item->context = text.substr(0, border);
  item->continuations.push_back(text.substr(border));  // the white space belongs to the word, as tokenizers have it
  item->lengths.push_back(static_cast<std::int64_t>(utf8::count(std::string_view(text).substr(word))));
  return {};
}

Result<TaskItem> read_item(const json::Value& v, std::size_t index, const TaskLimits& limits) {
  if (!v.is_object()) return bad("not an object");
  TaskItem item;
  const json::Value* id = json::find(v, "id");
  if (id && !id->is_string() && !id->is_number_integer()) return bad("`id` is neither text nor a whole number");
  item.id = !id ? fmt::format("{}", index) : id->is_string() ? id->get<std::string>() : json::dump(*id);
  JANG_ASSIGN(item.subject, json::get_string(v, "subject", ""));
  if (const json::Value* choices = json::find(v, "choices")) {
    JANG_TRY(read_choices(v, *choices, limits, &item));
  } else if (json::find(v, "text") || json::find(v, "continuation")) {
    JANG_TRY(read_last_word(v, &item));
  } else {
    return bad("neither `choices` nor `text` nor `continuation`");
  }
  return item;
}

}  // namespace

Result<std::vector<TaskItem>> parse_tasks(std::string_view text, std::string_view what, const TaskLimits& limits) {
  const auto limit = [&](std::string why) { return Status(StatusCode::invalid_argument, fmt::format("{}: {}", what, why)); };
  if (text.size() > limits.max_bytes) return limit(fmt::format("more than {} bytes", limits.max_bytes));
  std::vector<TaskItem> items;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.ends_with('\r')) part.remove_suffix(1);
    if (std::all_of(part.begin(), part.end(), is_space)) continue;
    if (items.size() == limits.max_items) return limit(fmt::format("more than {} items", limits.max_items));
    const std::string where = fmt::format("{}: line {}", what, line);
    JANG_ASSIGN(const json::Value value,
                json::parse(part, where, {.max_bytes = limits.max_line_bytes, .max_depth = 8, .dialect = json::Dialect::python}));
    Result<TaskItem> item = read_item(value, items.size(), limits);
    if (!item.ok()) return item.status().with_context(where);
    if (!items.empty() && (items.front().continuations.size() == 1) != (item->continuations.size() == 1))
      return Status(StatusCode::corrupt, where + ": another kind of item than the first; a file holds one kind");
    items.push_back(std::move(item).value());
  }
  if (items.empty()) return limit("no item");
  return items;
}

}  // namespace jang::eval
