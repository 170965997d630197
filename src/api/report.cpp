// SPDX-License-Identifier: Apache-2.0
// See the headers.
#include "api/report.h"

#include "base/check.h"
#include "json/json.h"
#include "plan/plan_json.h"
#include "tensor/shape.h"

namespace jang {
namespace {

json::Value or_null(const std::optional<std::string>& text) { return text ? json::Value(*text) : json::Value(nullptr); }
json::Value or_null(std::optional<double> number) { return number ? json::Value(*number) : json::Value(nullptr); }

json::Value row_json(const TensorReport& row) {
  json::Value v = json::Value::object();
  v["name"] = row.name;
  v["role"] = or_null(row.role);
  v["tier"] = or_null(row.tier);
  v["rule"] = or_null(row.rule);
  v["bits"] = row.bits;
  v["group_size"] = row.group_size;
  v["params"] = row.params;
  v["bytes"] = row.bytes;
  v["error"] = or_null(row.error);
  return v;
}

TensorReport row_of(const arch::OutTensor& tensor, const plan::TensorPlan& planned, DType dtype) {
  TensorReport row;
  row.name = tensor.name;
  row.role = std::string(arch::to_string(tensor.role));
  row.tier = std::string(plan::to_string(planned.tier));
  row.rule = planned.reason;
  const bool quantized = planned.choice.bits > 0;
  row.bits = quantized ? planned.choice.bits : 8 * size_bytes(plan::stored_dtype(tensor, dtype));
  row.group_size = quantized ? planned.choice.group_size : 0;
  row.params = static_cast<std::uint64_t>(elements(tensor.shape));
  row.bytes = planned.bytes;
  return row;
}

}  // namespace

ModelReport report_of(const arch::Model& model, const plan::Plan& plan, const plan::Sizes& sizes,
                      const std::vector<std::optional<double>>& errors) {
  ModelReport report;
  report.profile = plan.profile;
  report.method = plan::method_name(plan.method, plan.activation_aware);
  report.params = sizes.params;
  report.code_bits = sizes.code_bits;
  report.stored_bits = sizes.stored_bits;
  report.file_bytes = sizes.file_bytes;
  for (const plan::TensorPlan& planned : plan.tensors) {
    const auto index = static_cast<std::size_t>(planned.tensor);
    JANG_CHECK(index < model.tensors.size());
    report.tensors.push_back(row_of(model.tensors[index], planned, plan.dtype));
    if (index < errors.size()) report.tensors.back().error = errors[index];
  }
  return report;
}

std::string document_of(const arch::Model& model, const plan::Plan& plan, const ModelReport& report) {
  json::Value v = plan::to_json(model, plan);
  json::Value& rows = v["tensors"];
  JANG_CHECK(rows.size() == report.tensors.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i]["error"] = or_null(report.tensors[i].error);
  v["mean_error"] = or_null(mean_error(report));
  return json::dump(v, 2);
}

std::string with_changes(const std::string& document, const TargetChanges& changes) {
  Result<json::Value> parsed = json::parse(document, "plan");
  JANG_CHECK(parsed.ok());  // document_of made it
  json::Value rows = json::Value::array();
  for (const TargetChanges::Row& row : changes.rows)
    rows.push_back({{"mlx", row.mlx}, {"target", row.target}, {"reason", row.reason}, {"modules", row.modules}});
  (*parsed)["target_changes"] = {{"target", changes.target},
                                 {"changed", std::move(rows)},
                                 {"mlx_file_bytes", changes.mlx_file_bytes},
                                 {"file_bytes", changes.file_bytes},
                                 {"mlx_divergence", or_null(changes.mlx_divergence)},
                                 {"divergence", or_null(changes.divergence)}};
  return json::dump(*parsed, 2);
}

std::optional<double> mean_error(const ModelReport& report) {
  double sum = 0, weights = 0;
  for (const TensorReport& row : report.tensors) {
    if (!row.error) continue;
    sum += *row.error * static_cast<double>(row.params);
    weights += static_cast<double>(row.params);
  }
  return weights > 0 ? std::optional(sum / weights) : std::nullopt;
}

std::string to_json(const ModelReport& report) {
  json::Value v = json::Value::object();
  v["profile"] = or_null(report.profile);
  v["method"] = or_null(report.method);
  v["params"] = report.params;
  v["code_bits"] = report.code_bits;
  v["stored_bits"] = report.stored_bits;
  v["file_bytes"] = report.file_bytes;
  v["mean_error"] = or_null(mean_error(report));
  json::Value rows = json::Value::array();
  for (const TensorReport& row : report.tensors) rows.push_back(row_json(row));
  v["tensors"] = std::move(rows);
  return json::dump(v, 2);
}

}  // namespace jang
