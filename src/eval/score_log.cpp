// SPDX-License-Identifier: Apache-2.0
// Doubles are written with the digits that give the same double back, so a continued run has the bytes of an uninterrupted one.
#include "eval/score_log.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "eval/numbers.h"
#include "json/json.h"

namespace jang::eval {
namespace {

json::Value numbers_json(std::span<const double> values) {
  json::Value list = json::Value::array();
  for (const double x : values) list.push_back(finite_or_null(x));
  return list;
}

Status read_numbers(const json::Value& v, std::string_view key, std::size_t n, std::vector<double>* out) {
  const json::Value* list = json::find(v, key);
  if (!list || !list->is_array() || list->size() != n)
    return {StatusCode::corrupt, fmt::format("`{}` is not a list of {} numbers", key, n)};
  for (const json::Value& x : *list) {
    if (!x.is_number() && !x.is_null()) return {StatusCode::corrupt, fmt::format("`{}` holds something that is not a number", key)};
    out->push_back(x.is_null() ? std::numeric_limits<double>::quiet_NaN() : x.get<double>());
  }
  return {};
}

Result<WindowScores> parse_line(const json::Value& v, std::span<const Window> windows, bool with_kld) {
  if (!v.is_object()) return Status(StatusCode::corrupt, "not an object");
  JANG_ASSIGN(const std::int64_t index, json::get_int(v, "window", -1, 0, static_cast<std::int64_t>(windows.size()) - 1));
  if (index < 0) return Status(StatusCode::corrupt, "`window` is missing");
  WindowScores s;
  s.window = static_cast<std::size_t>(index);
  const auto n = static_cast<std::size_t>(windows[s.window].n_scored());
  JANG_TRY(read_numbers(v, "nll", n, &s.nll));
  if (!with_kld) return s;
  JANG_TRY(read_numbers(v, "kld", n, &s.kld));
  JANG_ASSIGN(const std::string same, json::get_string(v, "same", ""));
  if (same.size() != n || same.find_first_not_of("01") != std::string::npos)
    return Status(StatusCode::corrupt, fmt::format("`same` is not a text of {} digits 0 and 1", n));
  for (const char c : same) s.same.push_back(c == '1' ? 1 : 0);
  return s;
}

}  // namespace

std::string score_line(const WindowScores& scores) {
  json::Value v = json::Value::object();
  v["window"] = scores.window;
  v["nll"] = numbers_json(scores.nll);
  if (!scores.kld.empty()) {
    v["kld"] = numbers_json(scores.kld);
    std::string same;
    for (const std::uint8_t s : scores.same) same += s ? '1' : '0';
    v["same"] = std::move(same);
  }
  return json::dump(v) + "\n";
}

Result<std::vector<WindowScores>> parse_score_log(std::string_view text, std::string_view what, std::span<const Window> windows,
                                                  bool with_kld) {
  std::vector<WindowScores> all(windows.size());
  for (std::size_t w = 0; w < all.size(); ++w) all[w].window = w;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;
    const std::string where = fmt::format("{}: line {}", what, line);
    JANG_ASSIGN(const json::Value value, json::parse(part, where, {.max_bytes = 256u << 20, .max_depth = 4}));
    Result<WindowScores> scores = parse_line(value, windows, with_kld);
    if (!scores.ok()) return scores.status().with_context(where);
    WindowScores& place = all[scores->window];
    if (!place.nll.empty()) return Status(StatusCode::corrupt, fmt::format("{}: window {} again", where, scores->window));
    place = std::move(scores).value();
  }
  return all;
}

}  // namespace jang::eval
