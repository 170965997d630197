// SPDX-License-Identifier: Apache-2.0
// Strict reader of comma-separated values (RFC 4180), for data sets from outside.
//
//   file = row *(newline row) [newline]      newline = LF | CRLF
//   row = field *("," field)                 field = *plain | '"' *(any | '""') '"'
//
// A quoted field may hold commas, quotes (doubled) and newlines. A quote inside a plain field, text after a closing quote, a field that is
// not closed, a bare CR, NUL and invalid UTF-8 are errors with their line; nothing is guessed. No header is assumed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "jang/status.h"

namespace jang::eval {

struct CsvLimits {
  std::size_t max_bytes = 64u << 20;
  std::size_t max_rows = 1u << 20;
  std::size_t max_columns = 256;
};

using CsvRow = std::vector<std::string>;

// All rows, each with the same number of fields. An empty text has no rows. `what` names the text in messages.
// Errors: corrupt (syntax, UTF-8, a row of another length), invalid_argument (limits).
[[nodiscard]] Result<std::vector<CsvRow>> parse_csv(std::string_view text, std::string_view what, const CsvLimits& limits = {});

// One row written so that parse_csv gives it back, with a final LF.
[[nodiscard]] std::string csv_line(const CsvRow& row);

}  // namespace jang::eval
