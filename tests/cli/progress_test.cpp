// SPDX-License-Identifier: Apache-2.0
// Progress in its three modes, on a clock the test owns.
#include "cli/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <thread>
#include <vector>

#include "json/json.h"

namespace jang::cli {
namespace {

struct Bench {
  double now = 1000;
  std::string text;
  Progress progress;
  explicit Bench(ProgressMode mode, bool quiet = false)
      : progress(
            mode, [this](std::string_view t) { text += t; }, [this] { return now; }, 80, false, quiet) {}

  [[nodiscard]] std::vector<json::Value> events() const {
    std::vector<json::Value> rows;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      Result<json::Value> row = json::parse(line, "event");
      EXPECT_TRUE(row.ok()) << line;
      if (row.ok()) rows.push_back(row.value());
    }
    return rows;
  }
};

TEST(Progress, json_lines_speak_version_one) {
  Bench b(ProgressMode::json);
  b.progress.phase(4, 5, "quantize");
  b.progress.tick(10, 100, "model.\"x\"");
  b.progress.info("note");
  b.progress.warn("care");
  b.now += 2;
  b.progress.finish_ok("out");
  const auto rows = b.events();
  ASSERT_EQ(rows.size(), 5u);
  for (const json::Value& row : rows) {
    EXPECT_EQ(row["v"], 1);
    EXPECT_TRUE(row["ts"].is_number_float());
  }
  EXPECT_EQ(rows[0]["type"], "phase");
  EXPECT_EQ(rows[0]["n"], 4);
  EXPECT_EQ(rows[0]["total"], 5);
  EXPECT_EQ(rows[0]["name"], "quantize");
  EXPECT_EQ(rows[1]["type"], "tick");
  EXPECT_EQ(rows[1]["done"], 10);
  EXPECT_EQ(rows[1]["total"], 100);
  EXPECT_EQ(rows[1]["label"], "model.\"x\"");
  EXPECT_EQ(rows[2]["msg"], "note");
  EXPECT_EQ(rows[3]["type"], "warn");
  EXPECT_EQ(rows[4]["type"], "done");
  EXPECT_EQ(rows[4]["ok"], true);
  EXPECT_EQ(rows[4]["output"], "out");
  EXPECT_NEAR(rows[4]["elapsed_s"].get<double>(), 2.0, 1e-6);
}

TEST(Progress, json_ticks_are_throttled_but_the_last_is_sent) {
  Bench b(ProgressMode::json);
  b.progress.phase(4, 5, "quantize");
  for (int i = 1; i <= 100; ++i) {
    b.now += 0.01;
    b.progress.tick(i, 100, "t");
  }
  b.progress.phase(5, 5, "write");
  const auto rows = b.events();
  std::vector<std::int64_t> done;
  for (const json::Value& row : rows)
    if (row["type"] == "tick") done.push_back(row["done"].get<std::int64_t>());
  EXPECT_GE(done.size(), 9u);
  EXPECT_LE(done.size(), 13u);
  EXPECT_EQ(done.back(), 100);
  EXPECT_EQ(rows.back()["type"], "phase");
}

TEST(Progress, json_failure_is_an_error_and_a_done) {
  Bench b(ProgressMode::json);
  b.progress.finish_error("it broke\n");
  const auto rows = b.events();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["type"], "error");
  EXPECT_EQ(rows[0]["msg"], "it broke\n");
  EXPECT_EQ(rows[1]["type"], "done");
  EXPECT_EQ(rows[1]["ok"], false);
  EXPECT_EQ(rows[1]["error"], "it broke\n");
}

TEST(Progress, lines_mode_prints_every_few_seconds) {
  Bench b(ProgressMode::lines);
  b.progress.phase(4, 5, "quantize");
  for (int i = 0; i < 200; ++i) {
    b.now += 0.1;  // 20 seconds
    b.progress.tick(i * 1'000'000, 200'000'000, "t");
  }
  const auto n_lines = std::count(b.text.begin(), b.text.end(), '\n');
  EXPECT_GE(n_lines, 4);
  EXPECT_LE(n_lines, 6);
  EXPECT_EQ(b.text.find('\r'), std::string::npos);
  EXPECT_EQ(b.text.find('\x1b'), std::string::npos);
}

TEST(Progress, ticks_of_another_unit_begin_anew) {
  Bench b(ProgressMode::json);
  b.progress.phase(1, 2, "allocate");
  b.progress.tick(5, 5, "first");
  b.progress.count("trials");
  b.now += 1;
  b.progress.tick(1, 5, "second");
  const auto rows = b.events();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2]["done"], 1);
}

TEST(Progress, bar_is_cleared_before_a_message_and_at_the_end) {
  Bench b(ProgressMode::bar);
  b.progress.phase(4, 5, "quantize");
  b.progress.tick(1, 2, "t");
  b.text.clear();
  b.progress.warn("care");
  EXPECT_EQ(b.text, "\r\x1b[Kwarning: care\n");
  b.progress.tick(1, 2, "t");
  b.now += 1;
  b.progress.tick(2, 2, "t");
  b.text.clear();
  b.progress.finish_ok("");
  EXPECT_EQ(b.text, "\r\x1b[K");
}

TEST(Progress, off_and_quiet_print_nothing) {
  Bench b(ProgressMode::off, true);
  b.progress.phase(1, 5, "detect");
  b.progress.tick(1, 2, "t");
  b.progress.info("note");
  b.progress.warn("care");
  b.progress.finish_ok("out");
  EXPECT_EQ(b.text, "");
}

TEST(Progress, rate_is_smoothed_and_eta_waits_two_seconds) {
  RateMeter meter;
  meter.start(0, 0);
  meter.update(1, 100);
  EXPECT_DOUBLE_EQ(meter.bytes_per_second(), 100);
  EXPECT_FALSE(meter.eta(1.9, 1000).has_value());
  meter.update(2, 200);
  ASSERT_TRUE(meter.eta(2, 1000).has_value());
  EXPECT_NEAR(*meter.eta(2, 1000), 8.0, 1e-9);
  EXPECT_NEAR(*meter.eta(3, 1000), 7.0, 1e-9);  // time passes between samples
  meter.update(3, 1200);                        // ten times as fast: moves the rate part of the way
  EXPECT_GT(meter.bytes_per_second(), 100);
  EXPECT_LT(meter.bytes_per_second(), 400);
}

TEST(Progress, standstill_has_no_eta) {
  RateMeter meter;
  meter.start(0, 0);
  meter.update(5, 0);
  EXPECT_FALSE(meter.eta(5, 1000).has_value());
}

TEST(Progress, bar_fits_the_terminal_and_shows_all_parts) {
  ProgressView view{4, 5, "quantize", "model.layers.3.mlp.down_proj", 50, 100, 120e6, 65.0};
  EXPECT_EQ(format_bar(view, 200), "[4/5] quantize [##########----------]  50%  120.0 MB/s  ETA 1:05  model.layers.3.mlp.down_proj");
  EXPECT_EQ(format_bar(view, 40).size(), 39u);
  view.label = "\x1b[2Jevil";
  EXPECT_EQ(format_bar(view, 200).find('\x1b'), std::string::npos);
  view.done_bytes = 1000;  // a source that grew
  EXPECT_NE(format_bar(view, 200).find("100%"), std::string::npos);
}

TEST(Progress, cut_bar_never_splits_a_character) {
  ProgressView view{1, 1, "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", "", 0, 0, 0, std::nullopt};
  for (int columns = 20; columns < 26; ++columns) {
    const std::string line = format_bar(view, columns);
    EXPECT_TRUE(json::parse("\"" + line + "\"", "line").ok()) << columns;  // the strict reader checks UTF-8
  }
}

TEST(Progress, percent_is_rounded_down) {
  const ProgressView view{1, 1, "x", "", 999, 1000, 0, std::nullopt};
  EXPECT_NE(format_line(view).find("99%"), std::string::npos);
}

TEST(Progress, threads_may_tick_at_once) {
  Bench b(ProgressMode::json);
  b.progress.phase(1, 1, "x");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&b, t] {
      for (int i = 0; i < 200; ++i) b.progress.tick(i * 4 + t, 800, "t");
    });
  for (std::thread& t : threads) t.join();
  b.progress.finish_ok("");
  const auto rows = b.events();
  ASSERT_GE(rows.size(), 3u);
  EXPECT_EQ(rows[rows.size() - 2]["done"], 799);
}

}  // namespace
}  // namespace jang::cli
