// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "cli/report.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "cli/terminal.h"
#include "cli/units.h"

namespace jang::cli {
namespace {

std::string group_text(int group_size) { return group_size == 0 ? "-" : fmt::format("{}", group_size); }

std::string cell(const std::optional<std::string>& text) { return text ? printable(*text) : "-"; }

}  // namespace

std::string columns_text(const std::vector<std::vector<std::string>>& rows, bool color) {
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

std::string sizes_text(const ModelReport& report) {
  std::string out;
  out += fmt::format("  weights      {}\n", format_count(report.params));
  out += fmt::format("  size         {} of weight files\n", format_bytes_both(report.file_bytes));
  if (report.code_bits > 0) out += fmt::format("  code bits    {:.3f} per quantized weight\n", report.code_bits);
  out += fmt::format("  stored bits  {:.3f} per weight, scales and biases counted\n", report.stored_bits);
  if (const auto error = mean_error(report)) out += fmt::format("  mean error   {:.4g} (squared error over squared norm)\n", *error);
  return out;
}

std::string histogram_text(const ModelReport& report, bool color) {
  struct Bin {
    std::uint64_t tensors = 0, params = 0, bytes = 0;
  };
  std::map<std::pair<int, int>, Bin> bins;
  std::uint64_t total = 0;
  for (const TensorReport& row : report.tensors) {
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
  return columns_text(rows, color);
}

std::string tensors_text(const ModelReport& report, bool color) {
  const bool measured = mean_error(report).has_value();
  std::vector<std::vector<std::string>> rows = {{"tensor", "role", "tier", "bits", "group", "weights", "bytes"}};
  if (measured) rows[0].push_back("error");
  rows[0].push_back("rule");
  for (const TensorReport& row : report.tensors) {
    std::vector<std::string> cells = {
        printable(row.name),        cell(row.role),           cell(row.tier),         fmt::format("{}", row.bits),
        group_text(row.group_size), format_count(row.params), format_bytes(row.bytes)};
    if (measured) cells.push_back(row.error ? fmt::format("{:.3g}", *row.error) : "-");
    cells.push_back(cell(row.rule));
    rows.push_back(std::move(cells));
  }
  return columns_text(rows, color);
}

}  // namespace jang::cli
