// SPDX-License-Identifier: Apache-2.0
// A comparison as a document.
#include "experiment/report_json.h"

#include "eval/divergence.h"
#include "eval/items.h"
#include "eval/numbers.h"
#include "eval/weight_gain.h"
#include "experiment/class_bits.h"
#include "experiment/report.h"

namespace jang::experiment {
namespace {

json::Value positive_or_null(double x) { return x > 0 ? eval::finite_or_null(x) : json::Value(nullptr); }

json::Value row_json(const CompareRow& row) {
  json::Value v = json::Value::object();
  v["name"] = row.name;
  v["is_source"] = row.is_source;
  v["is_gguf"] = row.is_gguf;
  v["code_bits"] = positive_or_null(row.code_bits);
  v["stored_bits"] = row.stored_bits;
  v["file_bytes"] = row.file_bytes;
  if (row.divergence)
    eval::add_to_json(*row.divergence, &v);
  else if (row.perplexity)
    eval::add_to_json(*row.perplexity, &v);
  if (row.divergence) eval::add_to_json(row.gains, &v);
  if (row.task) {
    json::Value task = json::Value::object();
    eval::add_to_json(*row.task, &task);
    if (row.against_source) {
      task["against_source"] = eval::to_json(*row.against_source);
      task["against_source"]["p_holm"] = row.holm_p ? json::Value(*row.holm_p) : json::Value(nullptr);
    }
    v["mmlu"] = std::move(task);
  }
  v["decode_tokens_per_second"] = positive_or_null(row.decode_tokens_per_second);
  v["prefill_tokens_per_second"] = positive_or_null(row.prefill_tokens_per_second);
  v["memory_bytes"] = row.memory_bytes > 0 ? json::Value(row.memory_bytes) : json::Value(nullptr);
  v["convert_seconds"] = row.convert_seconds ? json::Value(*row.convert_seconds) : json::Value(nullptr);
  if (!row.calibration_text.empty())
    v["calibration"] = {{"text", row.calibration_text},
                        {"seconds", row.calibration_seconds ? json::Value(*row.calibration_seconds) : json::Value(nullptr)}};
  if (!row.classes.empty()) v["bits"] = to_json(row.classes);
  return v;
}

}  // namespace

json::Value to_json(const CompareReport& report) {
  json::Value v = json::Value::object();
  v["model"] = report.model;
  v["text"] = report.text;
  v["facts"] = report.facts;
  json::Value rows = json::Value::array(), names = json::Value::array();
  for (const CompareRow& row : report.rows) rows.push_back(row_json(row));
  for (const std::size_t i : frontier(report.rows)) names.push_back(report.rows[i].name);
  v["models"] = std::move(rows);
  v["frontier"] = std::move(names);
  return v;
}

}  // namespace jang::experiment
