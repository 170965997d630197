// SPDX-License-Identifier: Apache-2.0
// The CSV reader: what RFC 4180 allows, every refusal with its line, limits, every truncation.
#include "eval/csv.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace jang::eval {
namespace {

std::vector<CsvRow> rows_of(std::string_view text) {
  const auto rows = parse_csv(text, "t");
  EXPECT_TRUE(rows.ok()) << rows.status().message();
  return rows.ok() ? rows.value() : std::vector<CsvRow>{};
}

Status failure_of(std::string_view text, const CsvLimits& limits = {}) {
  const auto rows = parse_csv(text, "t", limits);
  EXPECT_FALSE(rows.ok()) << text;
  return rows.status();
}

TEST(Csv, fields_and_rows_are_split) {
  EXPECT_EQ(rows_of("a,b\nc,d"), (std::vector<CsvRow>{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(rows_of("a,b\r\nc,d\r\n"), (std::vector<CsvRow>{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(rows_of(",\n"), (std::vector<CsvRow>{{"", ""}}));
  EXPECT_TRUE(rows_of("").empty());
  EXPECT_EQ(rows_of(" a , b "), (std::vector<CsvRow>{{" a ", " b "}}));
}

TEST(Csv, quoted_fields_hold_anything) {
  EXPECT_EQ(rows_of("\"a \"\"b\"\", c\",d\n\"x\ny\",\"\"\n"), (std::vector<CsvRow>{{"a \"b\", c", "d"}, {"x\ny", ""}}));
  EXPECT_EQ(rows_of("\"\"\"\""), (std::vector<CsvRow>{{"\""}}));
}

TEST(Csv, empty_line_is_a_row_of_one_empty_field) { EXPECT_EQ(rows_of("\n\n"), (std::vector<CsvRow>{{""}, {""}})); }

TEST(Csv, refusals_name_the_line) {
  for (const auto& [text, line] : std::vector<std::pair<std::string, std::string>>{{"a,b\nc\"d,e\n", "line 2"},
                                                                                   {"\"a\n\n\"x,b\n", "line 3"},
                                                                                   {"a,b\nc,\"d", "line 2"},
                                                                                   {"a,b\nc,d\nx\n", "line 3"},
                                                                                   {"a\rb", "line 1"},
                                                                                   {"a,b\n\r", "line 2"}}) {
    const Status status = failure_of(text);
    EXPECT_EQ(status.code(), StatusCode::corrupt);
    EXPECT_NE(status.message().find(line), std::string::npos) << status.message();
  }
}

TEST(Csv, foreign_bytes_are_refused) {
  EXPECT_EQ(failure_of(std::string_view("a\0b", 3)).code(), StatusCode::corrupt);
  for (const char* bad : {"\xff", "a\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
    EXPECT_EQ(failure_of(bad).code(), StatusCode::corrupt);
}

TEST(Csv, limits_are_kept) {
  const CsvLimits small{.max_bytes = 16, .max_rows = 2, .max_columns = 3};
  EXPECT_TRUE(parse_csv("a,b,c\nd,e,f", "t", small).ok());
  EXPECT_EQ(failure_of("a,b,c,d", small).code(), StatusCode::invalid_argument);
  EXPECT_EQ(failure_of("a\nb\nc\n", small).code(), StatusCode::invalid_argument);
  EXPECT_EQ(failure_of("aaaaaaaaaaaaaaaaa", small).code(), StatusCode::invalid_argument);
}

TEST(Csv, every_truncation_is_read_or_refused) {
  const std::string text = "q \"\xc3\xa9";  // starts plain: refused as a whole
  const std::string good = "\"Which, of\r\n\"\"these\"\" \xe2\x82\xac?\",1,2,3,4,A\r\nnext,a,b,c,d,\"D\"\r\n";
  for (std::size_t n = 0; n <= good.size(); ++n) {
    const auto rows = parse_csv(std::string_view(good).substr(0, n), "t");
    if (!rows.ok()) {
      EXPECT_EQ(rows.status().code(), StatusCode::corrupt) << n;
      continue;
    }
    for (const CsvRow& row : rows.value()) EXPECT_EQ(row.size(), rows->front().size());
  }
  EXPECT_EQ(rows_of(good).size(), 2u);
  EXPECT_FALSE(parse_csv(text, "t").ok());
}

TEST(Csv, written_rows_are_read_back) {
  const std::vector<CsvRow> rows = {{"a,b", "c\"d", ""}, {"\r\n", " ", "\xf0\x9f\x98\x80"}};
  EXPECT_EQ(rows_of(csv_line(rows[0]) + csv_line(rows[1])), rows);
  EXPECT_EQ(rows_of(csv_line({""})), (std::vector<CsvRow>{{""}}));
}

}  // namespace
}  // namespace jang::eval
