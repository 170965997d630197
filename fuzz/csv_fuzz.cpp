// SPDX-License-Identifier: Apache-2.0
// The CSV reader. Oracle: rows are rectangular and within the limits, and what csv_line writes of them is read back as the same rows.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "eval/csv.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace jang::eval;
  const CsvLimits limits{.max_bytes = 1 << 16, .max_rows = 512, .max_columns = 16};
  const auto rows = parse_csv({reinterpret_cast<const char*>(data), size}, "input", limits);
  if (!rows.ok()) {
    JANG_CHECK(!rows.status().message().empty());
    return 0;
  }
  JANG_CHECK(size <= limits.max_bytes && rows->size() <= limits.max_rows);
  std::string again;
  for (const CsvRow& row : *rows) {
    JANG_CHECK(!row.empty() && row.size() == rows->front().size() && row.size() <= limits.max_columns);
    again += csv_line(row);
  }
  if (again.size() > limits.max_bytes) return 0;  // quoting may lengthen
  const auto second = parse_csv(again, "again", limits);
  JANG_CHECK(second.ok() && *second == *rows);
  return 0;
}
