// SPDX-License-Identifier: Apache-2.0
// Sizes, numbers and durations as typed and shown.
#include "cli/units.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

namespace jang::cli {
namespace {

TEST(Units, size_reads_decimal_and_binary_units) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"1", 1},
      {"4096", 4096},
      {"48GB", 48'000'000'000ull},
      {"48 GB", 48'000'000'000ull},
      {"48gb", 48'000'000'000ull},
      {"2KB", 2000},
      {"2KiB", 2048},
      {"3MB", 3'000'000},
      {"3MiB", 3ull << 20},
      {"1.5GB", 1'500'000'000},
      {"1.5GiB", 3ull << 29},
      {"0.000001MB", 1},
      {"1TB", 1'000'000'000'000},
      {"1TiB", 1ull << 40},
      {"7B", 7},
      {"18446744073709551615", UINT64_MAX},
  };
  for (const auto& [text, bytes] : cases) {
    const auto size = parse_size(text);
    ASSERT_TRUE(size.ok()) << text << ": " << size.status().message();
    EXPECT_EQ(size.value(), bytes) << text;
  }
}

TEST(Units, size_refuses_nonsense) {
  for (const char* text : {"",
                           " ",
                           "GB",
                           "-1GB",
                           "+1GB",
                           "1e9",
                           "0",
                           "0GB",
                           "0.0MB",
                           "1.GB",
                           ".5GB",
                           "0.5",
                           "1.5B",
                           "1K",
                           "1G",
                           "48Gb/s",
                           "1 2GB",
                           "1  GB",
                           "0x10",
                           "inf",
                           "nan",
                           "1.0000001GB",
                           "18446744073709551616",
                           "99999999999999999999999",
                           "18446745TB",
                           "17179869184GiB",
                           "1GB ",
                           "1,5GB"}) {
    const auto size = parse_size(text);
    EXPECT_FALSE(size.ok()) << text << " gave " << (size.ok() ? size.value() : 0);
    EXPECT_EQ(size.status().code(), StatusCode::invalid_argument) << text;
  }
}

TEST(Units, size_message_shows_both_kinds_of_unit) {
  const std::string message = parse_size("12GBs").status().message();
  EXPECT_NE(message.find("12GBs"), std::string::npos);
  EXPECT_NE(message.find("48GB"), std::string::npos);
  EXPECT_NE(message.find("GiB"), std::string::npos);
}

TEST(Units, positive_number_is_strict) {
  EXPECT_DOUBLE_EQ(parse_positive("3.5", "--bpw", 32).value(), 3.5);
  for (const char* text : {"", "0", "-1", "33", "nan", "inf", "3.5x", " 3", "1e1", "0x1"})
    EXPECT_FALSE(parse_positive(text, "--bpw", 32).ok()) << text;
}

TEST(Units, integer_is_strict) {
  EXPECT_EQ(parse_integer("8", "--threads", 1, 1024).value(), 8);
  for (const char* text : {"", "0", "-1", "1025", "2.0", "8 ", "99999999999999999999"})
    EXPECT_FALSE(parse_integer(text, "--threads", 1, 1024).ok()) << text;
}

TEST(Units, bytes_are_shown_in_gb_and_gib) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 KB");
  EXPECT_EQ(format_bytes(999'999), "1.00 MB");
  EXPECT_EQ(format_bytes(48'000'000'000ull), "48.00 GB");
  EXPECT_EQ(format_bytes_both(3ull << 30), "3.22 GB (3.00 GiB)");
  EXPECT_EQ(format_bytes(5'000'000'000'000'000ull), "5000.00 TB");
}

TEST(Units, counts_and_durations_are_short) {
  EXPECT_EQ(format_count(12), "12");
  EXPECT_EQ(format_count(9'230'000), "9.23 M");
  EXPECT_EQ(format_count(122'000'000'000ull), "122.00 B");
  EXPECT_EQ(format_duration(0.44), "0.4 s");
  EXPECT_EQ(format_duration(59.99), "1:00");
  EXPECT_EQ(format_duration(65), "1:05");
  EXPECT_EQ(format_duration(7384), "2:03:04");
  EXPECT_EQ(format_duration(-1), "0.0 s");
}

TEST(Units, control_bytes_never_reach_a_terminal) {
  EXPECT_EQ(printable("a\x1b[31mb\nc\x7f"), "a?[31mb?c?");
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
}

}  // namespace
}  // namespace jang::cli
