// SPDX-License-Identifier: Apache-2.0
// One pass over the text, one field at a time.
#include "eval/csv.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"

namespace jang::eval {
namespace {

class Reader {
 public:
  Reader(std::string_view text, std::string_view what, const CsvLimits& limits) : text_(text), what_(what), limits_(limits) {}

  Result<std::vector<CsvRow>> read() {
    std::vector<CsvRow> rows;
    while (at_ < text_.size()) {
      if (rows.size() == limits_.max_rows) return too_large(fmt::format("more than {} rows", limits_.max_rows));
      const std::size_t row_line = line_;
      JANG_ASSIGN(CsvRow row, read_row());
      if (!rows.empty() && row.size() != rows.front().size())
        return Status(StatusCode::corrupt,
                      fmt::format("{}: line {}: {} fields, the first row has {}", what_, row_line, row.size(), rows.front().size()));
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  Result<CsvRow> read_row() {
    CsvRow row;
    while (true) {
      if (row.size() == limits_.max_columns) return too_large(fmt::format("line {}: more than {} fields", line_, limits_.max_columns));
      std::string field;
      JANG_TRY(at_ < text_.size() && text_[at_] == '"' ? read_quoted(field) : read_plain(field));
      row.push_back(std::move(field));
      if (at_ == text_.size()) return row;
      if (text_[at_] == ',') {
        ++at_;
        continue;
      }
      JANG_TRY(read_newline());
      return row;
    }
  }

  // Stops at a comma, a newline or the end.
  Status read_plain(std::string& field) {
    const std::size_t end = std::min(text_.find_first_of(",\"\r\n", at_), text_.size());
    if (end < text_.size() && text_[end] == '"') {
      at_ = end;
      return broken("a quote inside a field that does not start with one");
    }
    field = text_.substr(at_, end - at_);
    at_ = end;
    return {};
  }

  Status read_quoted(std::string& field) {
    const std::size_t open_line = line_;
    ++at_;
    while (true) {
      const std::size_t quote = text_.find('"', at_);
      if (quote == std::string_view::npos)
        return Status(StatusCode::corrupt, fmt::format("{}: the quoted field that starts in line {} is never closed", what_, open_line));
      const std::string_view part = text_.substr(at_, quote - at_);
      field += part;
      line_ += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
      at_ = quote + 1;
      if (at_ == text_.size() || text_[at_] != '"') break;
      field += '"';
      ++at_;
    }
    if (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n' && text_[at_] != '\r') return broken("text after a closing quote");
    return {};
  }

  Status read_newline() {
    if (text_[at_] == '\r') ++at_;
    if (at_ == text_.size() || text_[at_] != '\n') return broken("a carriage return without a line feed");
    ++at_;
    ++line_;
    return {};
  }

  [[nodiscard]] Status broken(std::string_view why) const {
    return {StatusCode::corrupt, fmt::format("{}: line {} (byte {}): {}", what_, line_, at_, why)};
  }
  [[nodiscard]] Status too_large(std::string_view why) const { return {StatusCode::invalid_argument, fmt::format("{}: {}", what_, why)}; }

  std::string_view text_, what_;
  CsvLimits limits_;
  std::size_t at_ = 0, line_ = 1;
};

}  // namespace

Result<std::vector<CsvRow>> parse_csv(std::string_view text, std::string_view what, const CsvLimits& limits) {
  if (text.size() > limits.max_bytes)
    return Status(StatusCode::invalid_argument, fmt::format("{}: {} bytes, at most {} are read", what, text.size(), limits.max_bytes));
  if (const std::size_t at = text.find('\0'); at != std::string_view::npos)
    return Status(StatusCode::corrupt, fmt::format("{}: a NUL at byte {}", what, at));
  if (const std::size_t at = utf8::find_invalid(text); at != std::string_view::npos)
    return Status(StatusCode::corrupt, fmt::format("{}: not UTF-8 at byte {}", what, at));
  return Reader(text, what, limits).read();
}

std::string csv_line(const CsvRow& row) {
  std::string out;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) out += ',';
    const bool plain = row[i].find_first_of(",\"\r\n") == std::string::npos && !(row.size() == 1 && row[i].empty());
    if (plain) {
      out += row[i];
      continue;
    }
    out += '"';
    for (const char c : row[i]) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    out += '"';
  }
  return out + "\n";
}

}  // namespace jang::eval
