// SPDX-License-Identifier: Apache-2.0
// JSONL tasks, item logs and MMLU files. Oracle: what is accepted keeps the promises of the headers (an answer within the choices, no empty
// continuation, items distinct), and an item log is a fixed point of reading and writing.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"
#include "eval/items.h"
#include "eval/mmlu.h"
#include "eval/tasks.h"

namespace {

using namespace jang::eval;

void check_tasks(std::string_view text) {
  const auto items = parse_tasks(text, "input");
  if (!items.ok()) {
    JANG_CHECK(!items.status().message().empty());
    return;
  }
  JANG_CHECK(!items->empty());
  for (const TaskItem& item : *items) {
    JANG_CHECK(!item.continuations.empty() && item.lengths.size() == item.continuations.size());
    JANG_CHECK(item.answer >= 0 && static_cast<std::size_t>(item.answer) < item.continuations.size());
    for (const std::string& c : item.continuations) JANG_CHECK(!c.empty());
  }
}

void check_log(std::string_view text) {
  const auto log = parse_item_log(text, "input");
  if (!log.ok()) return;
  std::string again;
  std::set<std::size_t> seen;
  for (const ItemResult& r : *log) {
    JANG_CHECK(seen.insert(r.item).second);
    JANG_CHECK(r.answer >= 0 && static_cast<std::size_t>(r.answer) < r.log_likelihood.size());
    again += item_line(r);
  }
  const auto second = parse_item_log(again, "again", true);
  JANG_CHECK(second.ok() && second->size() == log->size());
  for (std::size_t i = 0; i < log->size(); ++i) JANG_CHECK(item_line((*second)[i]) == item_line((*log)[i]));
  JANG_CHECK(compare_items(*log, *second).ok());
}

void check_mmlu(std::string_view text) {
  const auto questions = parse_mmlu(text, "input");
  if (!questions.ok()) return;
  for (const MmluQuestion& q : *questions) JANG_CHECK(q.choices.size() == 4 && q.answer >= 0 && q.answer < 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_tasks(text);
  check_log(text);
  check_mmlu(text);
  return 0;
}
