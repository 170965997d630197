// SPDX-License-Identifier: Apache-2.0
// Tables of a report.
#include "cli/report.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../support/contains.h"

namespace jang::cli {
namespace {

using test::contains;

ModelReport sample() {
  ModelReport report;
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
  EXPECT_FALSE(histogram_text(ModelReport{}, false).empty());
  EXPECT_FALSE(tensors_text(ModelReport{}, false).empty());
}

}  // namespace
}  // namespace jang::cli
