// SPDX-License-Identifier: Apache-2.0
// Building, JSON and tables of a report.
#include "cli/report.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/check.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "tensor/shape.h"

namespace jang::cli {
namespace {

json::Value or_null(const std::optional<std::string>& text) { return text ? json::Value(*text) : json::Value(nullptr); }
json::Value or_null(std::optional<double> number) { return number ? json::Value(*number) : json::Value(nullptr); }

json::Value row_json(const TensorRow& row) {
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

std::string group_text(int group_size) { return group_size == 0 ? "-" : fmt::format("{}", group_size); }

std::string cell(const std::optional<std::string>& text) { return text ? printable(*text) : "-"; }

// Columns padded to their widest cell; the last one is left as it is.
std::string table(const std::vector<std::vector<std::string>>& rows, bool color) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows[r].size(); ++i)
      line += i + 1 == rows[r].size() ? rows[r][i] : fmt::format("{:<{}}  ", rows[r][i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += (r == 0 ? styled(line, Style::bold, color) : line) + "\n";
  }
  return out;
}

}  // namespace

Report plan_report(const arch::Model& model, const plan::Plan& plan, const plan::Sizes& sizes,
                   const std::vector<std::optional<double>>& errors) {
  Report report;
  report.profile = plan.profile;
  report.method = std::string(plan::to_string(plan.method));
  report.params = sizes.params;
  report.code_bits = sizes.code_bits;
  report.stored_bits = sizes.stored_bits;
  report.file_bytes = sizes.file_bytes;
  for (const plan::TensorPlan& row : plan.tensors) {
    const auto index = static_cast<std::size_t>(row.tensor);
    JANG_CHECK(index < model.tensors.size());
    const arch::OutTensor& tensor = model.tensors[index];
    TensorRow out;
    out.name = tensor.name;
    out.role = std::string(arch::to_string(tensor.role));
    out.tier = std::string(plan::to_string(row.tier));
    out.rule = row.reason;
    const bool quantized = row.choice.bits > 0;
    out.bits = quantized ? row.choice.bits : 8 * size_bytes(plan::stored_dtype(tensor, plan.dtype));
    out.group_size = quantized ? row.choice.group_size : 0;
    out.params = static_cast<std::uint64_t>(elements(tensor.shape));
    out.bytes = row.bytes;
    if (index < errors.size()) out.error = errors[index];
    report.tensors.push_back(std::move(out));
  }
  return report;
}

std::optional<double> mean_error(const Report& report) {
  double sum = 0, weights = 0;
  for (const TensorRow& row : report.tensors) {
    if (!row.error) continue;
    sum += *row.error * static_cast<double>(row.params);
    weights += static_cast<double>(row.params);
  }
  return weights > 0 ? std::optional(sum / weights) : std::nullopt;
}

json::Value to_json(const Report& report) {
  json::Value v = json::Value::object();
  v["schema_version"] = kSchemaVersion;
  v["profile"] = or_null(report.profile);
  v["method"] = or_null(report.method);
  v["params"] = report.params;
  v["code_bits"] = report.code_bits;
  v["stored_bits"] = report.stored_bits;
  v["file_bytes"] = report.file_bytes;
  v["mean_error"] = or_null(mean_error(report));
  json::Value rows = json::Value::array();
  for (const TensorRow& row : report.tensors) rows.push_back(row_json(row));
  v["tensors"] = std::move(rows);
  return v;
}

json::Value plan_document(const arch::Model& model, const plan::Plan& plan, const Report& report) {
  json::Value v = plan::to_json(model, plan);
  json::Value& rows = v["tensors"];
  JANG_CHECK(rows.size() == report.tensors.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i]["error"] = or_null(report.tensors[i].error);
  v["mean_error"] = or_null(mean_error(report));
  return v;
}

std::string sizes_text(const Report& report) {
  std::string out;
  out += fmt::format("  weights      {}\n", format_count(report.params));
  out += fmt::format("  size         {} of weight files\n", format_bytes_both(report.file_bytes));
  if (report.code_bits > 0) out += fmt::format("  code bits    {:.3f} per quantized weight\n", report.code_bits);
  out += fmt::format("  stored bits  {:.3f} per weight, scales and biases counted\n", report.stored_bits);
  if (const auto error = mean_error(report)) out += fmt::format("  mean error   {:.4g} (squared error over squared norm)\n", *error);
  return out;
}

std::string histogram_text(const Report& report, bool color) {
  struct Bin {
    std::uint64_t tensors = 0, params = 0, bytes = 0;
  };
  std::map<std::pair<int, int>, Bin> bins;
  std::uint64_t total = 0;
  for (const TensorRow& row : report.tensors) {
    Bin& bin = bins[{row.bits, row.group_size}];
    ++bin.tensors;
    bin.params += row.params;
    bin.bytes += row.bytes;
    total += row.params;
  }
  std::vector<std::vector<std::string>> rows = {{"  bits", "group", "tensors", "weights", "bytes", "share", ""}};
  for (const auto& [key, bin] : bins) {
    const double share = total == 0 ? 0.0 : static_cast<double>(bin.params) / static_cast<double>(total);
    rows.push_back({"  " + fmt::format("{}", key.first), group_text(key.second), fmt::format("{}", bin.tensors), format_count(bin.params),
                    format_bytes(bin.bytes), fmt::format("{:.1f}%", share * 100),
                    std::string(static_cast<std::size_t>(share * 40 + 0.5), '#')});
  }
  return table(rows, color);
}

std::string tensors_text(const Report& report, bool color) {
  const bool measured = mean_error(report).has_value();
  std::vector<std::vector<std::string>> rows = {{"tensor", "role", "tier", "bits", "group", "weights", "bytes"}};
  if (measured) rows[0].push_back("error");
  rows[0].push_back("rule");
  for (const TensorRow& row : report.tensors) {
    std::vector<std::string> cells = {
        printable(row.name),        cell(row.role),           cell(row.tier),         fmt::format("{}", row.bits),
        group_text(row.group_size), format_count(row.params), format_bytes(row.bytes)};
    if (measured) cells.push_back(row.error ? fmt::format("{:.3g}", *row.error) : "-");
    cells.push_back(cell(row.rule));
    rows.push_back(std::move(cells));
  }
  return table(rows, color);
}

}  // namespace jang::cli
