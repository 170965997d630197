// SPDX-License-Identifier: Apache-2.0
// Documents and tables of a report.
#include "cli/report.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace jang::cli {
namespace {

Report sample() {
  Report report;
  report.profile = "JANG_2S";
  report.params = 300;
  report.code_bits = 2;
  report.stored_bits = 2.5;
  report.file_bytes = 1234;
  report.tensors = {{"a.weight", "attn_q", "CRITICAL", "rule a", 2, 64, 100, 30, 0.1},
                    {"b.weight", std::nullopt, std::nullopt, std::nullopt, 2, 64, 300, 90, 0.2},
                    {"c.\x1b[2J", "norm", "KEEP", "rule c", 16, 0, 7, 14, std::nullopt}};
  return report;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Report, mean_error_is_weighted_by_weights) {
  EXPECT_NEAR(mean_error(sample()).value(), (0.1 * 100 + 0.2 * 300) / 400, 1e-12);
  EXPECT_FALSE(mean_error(Report{}).has_value());
}

TEST(Report, document_has_the_shared_keys_and_nulls_for_the_unknown) {
  const json::Value v = to_json(sample());
  EXPECT_EQ(v["schema_version"], kSchemaVersion);
  EXPECT_EQ(v["profile"], "JANG_2S");
  EXPECT_TRUE(v["method"].is_null());
  EXPECT_EQ(v["file_bytes"], 1234);
  EXPECT_EQ(v["tensors"][0]["role"], "attn_q");
  EXPECT_TRUE(v["tensors"][1]["rule"].is_null());
  EXPECT_TRUE(v["tensors"][2]["error"].is_null());
}

TEST(Report, histogram_adds_up_by_bits_and_group) {
  const std::string text = histogram_text(sample(), false);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);  // heading, (2, 64), (16, -)
  EXPECT_TRUE(contains(text, "120 B"));
  EXPECT_TRUE(contains(text, "98.3%"));
}

TEST(Report, tables_hold_every_tensor_and_no_control_bytes) {
  const std::string text = tensors_text(sample(), false);
  for (const char* part : {"a.weight", "attn_q", "CRITICAL", "rule a", "b.weight", "c.?[2J", "0.1"})
    EXPECT_TRUE(contains(text, part)) << part;
  EXPECT_FALSE(contains(text, "\x1b"));
  EXPECT_TRUE(contains(tensors_text(sample(), true), "\x1b[1m"));
}

TEST(Report, sizes_show_the_three_numbers) {
  const std::string text = sizes_text(sample());
  for (const char* part : {"1.23 KB (1.21 KiB)", "code bits", "2.500 per weight", "mean error"}) EXPECT_TRUE(contains(text, part)) << part;
}

TEST(Report, empty_report_prints) {
  EXPECT_FALSE(histogram_text(Report{}, false).empty());
  EXPECT_FALSE(tensors_text(Report{}, false).empty());
}

}  // namespace
}  // namespace jang::cli
