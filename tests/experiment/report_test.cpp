// SPDX-License-Identifier: Apache-2.0
// The page holds every figure, asks for nothing, and hostile names stay text.
#include "experiment/report.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "../support/contains.h"
#include "eval/divergence.h"
#include "eval/items.h"
#include "experiment/markup.h"
#include "experiment/svg.h"

namespace jang::experiment {
namespace {

using test::contains;

using namespace eval;

CompareRow make_row(const std::string& name, double bits, double kld, int right) {
  CompareRow row;
  row.name = name;
  row.stored_bits = bits;
  row.file_bytes = static_cast<std::uint64_t>(bits * 1e7);
  std::vector<WindowScores> reference(1), model(1);
  for (int i = 0; i < 400; ++i) {
    const double noise = std::exp(1.5 * std::sin(i * 12.9898)) / 1.6;
    reference[0].nll.push_back(3 + std::sin(i));
    model[0].nll.push_back(3 + std::sin(i) + kld * noise);
    model[0].kld.push_back(kld * noise);
    model[0].same.push_back(kld * noise < 0.2 ? 1 : 0);
  }
  row.divergence = divergence_of(reference, model);
  row.perplexity = row.divergence->model;
  row.gains = {{"attn_q", 1 - kld / 10}, {"mlp_down", 1 - kld / 8}};
  std::vector<ItemResult> items;
  for (int i = 0; i < 200; ++i) {
    ItemResult r;
    r.item = static_cast<std::size_t>(i);
    r.log_likelihood = {-1, -2, -3, -4};
    r.correct = i < right;
    items.push_back(r);
  }
  row.task = summarize(items);
  row.against_source = Comparison{12, 5, 60, 123, mcnemar_exact(12, 5)};
  row.holm_p = 0.28;
  row.decode_tokens_per_second = 81.5;
  row.prefill_tokens_per_second = 900;
  row.memory_bytes = 41'000'000;
  row.convert_seconds = 1.25;
  row.classes = {{"attn_q", {4, 4, 4, 3, 3, 4, 4, 6}},
                 {"expert_down", {2, 2, 3, 2, 2, 2, 3, 2}},
                 {"router", {16, 16, 16, 16, 16, 16, 16, 16}},
                 {"lm_head", {6}}};
  return row;
}

CompareReport make_report() {
  CompareReport report;
  report.model = "gutenberg-moe";
  report.text = "heldout.txt";
  report.facts = {"16,384 tokens of heldout.txt, windows of 512", "exact arithmetic"};
  CompareRow source = make_row("source", 16, 0.1, 84);
  source.is_source = true;
  source.divergence.reset();
  source.gains.clear();
  source.against_source.reset();
  source.convert_seconds.reset();
  report.rows = {source,
                 make_row("JANG_2S", 3.08, 0.2119, 71),
                 make_row("uniform_2:rtn", 2.51, 0.8529, 55),
                 make_row("mixed_2_6:rtn", 3.27, 0.5631, 60),
                 make_row("JANG_4K", 4.48, 0.031, 80),
                 make_row("uniform_4:rtn", 4.51, 0.0381, 79),
                 make_row("auto@3.0bpw", 3.0, 0.13, 75),
                 make_row("auto@JANG_2S", 3.078, 0.116, 78)};
  return report;
}

TEST(Report, frontier_keeps_what_nothing_beats) {
  const CompareReport report = make_report();
  std::vector<std::string> names;
  for (const std::size_t i : frontier(report.rows)) names.push_back(report.rows[i].name);
  EXPECT_EQ(names, (std::vector<std::string>{"uniform_2:rtn", "auto@3.0bpw", "auto@JANG_2S", "JANG_4K"}));
}

TEST(Report, page_has_every_figure_and_asks_for_nothing) {
  CompareReport report = make_report();
  EXPECT_FALSE(contains(html_report(report, {{"schema_version", 1}}), "calibration"));
  report.rows[3].calibration_text = report.rows[4].calibration_text = "self";
  report.rows[3].calibration_seconds = 4.13;
  const std::string page = html_report(report, {{"schema_version", 1}});
  EXPECT_TRUE(contains(page, "<td>self, 4.1 s</td>"));
  EXPECT_TRUE(contains(page, "<td>self</td>")) << "taken up from an earlier run";
  for (const CompareRow& row : report.rows) EXPECT_TRUE(contains(page, row.name)) << row.name;
  for (const char* part : {"±", "3.080", "81.5", "42.0 %", "prefers-color-scheme", "\"schema_version\": 1"})
    EXPECT_TRUE(contains(page, part)) << part;
  for (const char* part : {"http:", "https:", "src=", "url(", "@import", "<iframe", "<object", "nan", "inf\""})
    EXPECT_FALSE(contains(page, part)) << part;
  EXPECT_EQ(page, html_report(report, {{"schema_version", 1}}));
}

TEST(Report, picture_stands_alone) {
  const CompareReport report = make_report();
  const std::string picture = frontier_picture(report);
  EXPECT_TRUE(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" "));
  EXPECT_LT(picture.find("<style>"), picture.find("<line"));
  for (const CompareRow& row : report.rows) EXPECT_EQ(contains(picture, ">" + row.name + "<"), !row.is_source) << row.name;
  for (const char* part : {"https:", "href", "src=", "url(", "@import", "<script"}) EXPECT_FALSE(contains(picture, part)) << part;
  EXPECT_EQ(picture.find("http:"), picture.rfind("http:"));  // the name of the format only
}

TEST(Report, outside_text_stays_text) {
  CompareReport report = make_report();
  const std::string hostile = "</script><script>alert(1)</script><img onerror='x' src=\"y\">&\x01";
  report.model = report.text = hostile;
  report.facts.push_back(hostile);
  for (CompareRow& row : report.rows) {
    row.name += hostile;
    row.classes[0].name = hostile;
  }
  const std::string page = html_report(report, {{"model", hostile}});
  EXPECT_FALSE(contains(page, "<script>alert"));
  EXPECT_FALSE(contains(page, "<img"));
  EXPECT_FALSE(contains(page, "\x01"));
  std::size_t scripts = 0;
  for (std::size_t at = 0; (at = page.find("<script", at)) != std::string::npos; ++at) ++scripts;
  EXPECT_EQ(scripts, 1u);
}

TEST(Report, broken_models_are_shown_without_a_point) {
  CompareReport report = make_report();
  report.rows[2].divergence->kld.mean = std::numeric_limits<double>::quiet_NaN();
  report.rows[2].divergence->percentiles.fill(std::numeric_limits<double>::quiet_NaN());
  const std::string page = html_report(report, {});
  EXPECT_TRUE(contains(page, "uniform_2:rtn"));
  EXPECT_FALSE(contains(page, "cx=\"nan"));
  report.rows.resize(1);
  EXPECT_TRUE(contains(html_report(report, {}), "<table>"));
}

TEST(Report, embedded_json_cannot_close_its_element) {
  const json::Value v = {{"a", "</script><!--&"}};
  const std::string text = embedded_json(v);
  EXPECT_EQ(text.find('<'), std::string::npos);
  const auto back = json::parse(text, "t");
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value(), v);
}

TEST(Svg, axes_hold_all_values_between_round_ticks) {
  for (const bool logarithmic : {false, true}) {
    const Axis a = make_axis({0.0123, 0.5, 3.7, std::nan(""), -1.0 * (logarithmic ? 1 : 0)}, logarithmic, 400, 20);
    EXPECT_LT(a.low, 0.0123);
    EXPECT_GT(a.high, 3.7);
    EXPECT_GE(a.ticks.size(), 3u);
    double last = -1;
    for (const double tick : a.ticks) {
      EXPECT_GT(tick, last);
      last = tick;
      EXPECT_GE(tick, a.low);
      EXPECT_LE(tick, a.high);
    }
    EXPECT_GT(a.at(0.0123), a.at(3.7));  // upwards
    EXPECT_DOUBLE_EQ(a.at(1e9), 20);
  }
  for (const std::vector<double>& values : {std::vector<double>{}, {0.0}, {5.0}, {1e-9}}) {
    for (const bool logarithmic : {false, true}) {
      const Axis a = make_axis(values, logarithmic, 0, 100);
      EXPECT_LT(a.low, a.high);
      EXPECT_TRUE(std::isfinite(a.at(1)));
      EXPECT_LT(a.ticks.size(), 40u);
    }
  }
}

TEST(Svg, labels_do_not_cover_each_other) {
  LabelPlacer labels(0, 0, 500, 300);
  labels.avoid(200, 150, 5);
  const auto a = labels.place(200, 150, "first", 12), b = labels.place(201, 151, "second", 12);
  EXPECT_TRUE(a.x != b.x || a.y != b.y);
  EXPECT_EQ(labels.place(495, 150, "at the right edge", 12).anchor, Anchor::end);
}

// A page to look at: JANG_WRITE_REPORT=/tmp/report.html jang_tests --gtest_filter=Report.*
TEST(Report, page_is_written_where_asked) {
  const char* path = std::getenv("JANG_WRITE_REPORT");
  if (!path) GTEST_SKIP() << "JANG_WRITE_REPORT is not set";
  std::ofstream(path) << html_report(make_report(), {{"schema_version", 1}});
}

}  // namespace
}  // namespace jang::experiment
