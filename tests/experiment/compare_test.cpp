// SPDX-License-Identifier: Apache-2.0
// Comparison on the bundled model: figures that must agree with each other, and work that is not done twice.
#include "experiment/compare.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "../support/bundled_model.h"
#include "../support/test_device.h"
#include "eval/csv.h"
#include "eval/perplexity.h"
#include "experiment/report_json.h"

namespace jang::experiment {
namespace {

using test::kBundledModel;
using test::kBundledText;

using namespace eval;

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Compare : public testing::Test {
 protected:
  void SetUp() override {
    work_ = fs::path(testing::TempDir()) / ("compare_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(work_);
  }
  void TearDown() override { fs::remove_all(work_); }

  CompareOptions options(std::string_view recipes) const {
    CompareOptions o;
    o.source = kBundledModel;
    o.work = work_.string();
    o.recipes = parse_recipes(recipes).value();
    o.text = kBundledText;
    o.max_tokens = 512;
    o.protocol = make_protocol("windows", 128, {}).value();
    o.speed = false;
    o.load = jang::test::on_test_device({.precision = kernels::Precision::exact});
    o.tool = "test";
    return o;
  }
  static CompareReport report_of(const CompareOptions& o) {
    Result<CompareReport> report = compare(o);
    EXPECT_TRUE(report.ok()) << report.status().message();
    return report.ok() ? std::move(report).value() : CompareReport{};
  }
  // One score log of the work directory by the beginning of its name.
  fs::path log(std::string_view model, const char* folder = "scores") const {
    for (const fs::directory_entry& entry : fs::directory_iterator(work_ / folder))
      if (entry.path().filename().string().starts_with(std::string(model) + "-")) return entry.path();
    return {};
  }
  // A small MMLU: two subjects of the 200 are enough for `all`.
  std::string write_mmlu() const {
    fs::create_directories(work_ / "mmlu/test");
    for (const char* subject : {"anatomy", "astronomy"}) {
      std::ofstream file(work_ / "mmlu/test" / (std::string(subject) + "_test.csv"));
      for (int i = 0; i < 6; ++i)
        file << csv_line(
            {"Question " + std::to_string(i) + ", of " + subject + "?", "one", "two", "three", "four", std::string(1, "ABCD"[i % 4])});
    }
    return (work_ / "mmlu").string();
  }
  fs::path work_;
};

TEST_F(Compare, rows_agree_with_each_other) {
  const CompareReport report = report_of(options("uniform_2,uniform_8,auto@uniform_4,uniform_4"));
  ASSERT_EQ(report.rows.size(), 5u);
  const CompareRow &source = report.rows[0], &two = report.rows[1], &eight = report.rows[2], &spent = report.rows[3],
                   &four = report.rows[4];
  EXPECT_TRUE(source.is_source);
  EXPECT_NEAR(source.stored_bits, 16, 0.01);
  for (const CompareRow* row : {&two, &eight, &four}) {
    EXPECT_EQ(row->divergence->n, 4 * 127);
    EXPECT_DOUBLE_EQ(row->divergence->reference.nll.mean, source.perplexity->nll.mean);
    EXPECT_GT(row->convert_seconds, 0);
    EXPECT_FALSE(row->classes.empty());
  }
  EXPECT_GT(two.divergence->kld.mean, four.divergence->kld.mean);
  EXPECT_GT(four.divergence->kld.mean, eight.divergence->kld.mean);
  EXPECT_GT(eight.divergence->kld.mean, 0);
  EXPECT_LE(spent.file_bytes, four.file_bytes);
  EXPECT_GT(static_cast<double>(spent.file_bytes), static_cast<double>(four.file_bytes) * 0.995);
}

TEST_F(Compare, results_do_not_depend_on_threads_groups_or_company) {
  CompareOptions o = options("uniform_2,uniform_4");
  o.load.n_threads = 1;
  o.open_bytes = 1;  // one bundle at a time
  const CompareReport alone = report_of(o);
  const std::string first = read_file(log("uniform_4"));
  fs::remove_all(work_);
  o = options("uniform_4,uniform_2,uniform_3");
  o.load.n_threads = 3;
  const CompareReport together = report_of(o);
  EXPECT_EQ(read_file(log("uniform_4")), first);
  EXPECT_EQ(alone.rows[2].divergence->kld.mean, together.rows[1].divergence->kld.mean);
  ASSERT_EQ(alone.rows[2].gains.size(), together.rows[1].gains.size());
  ASSERT_FALSE(alone.rows[2].gains.empty());
  for (std::size_t i = 0; i < alone.rows[2].gains.size(); ++i) EXPECT_EQ(alone.rows[2].gains[i].gain, together.rows[1].gains[i].gain);
  EXPECT_TRUE(alone.rows[0].gains.empty());
}

TEST_F(Compare, another_recipe_costs_only_itself) {
  const CompareReport one = report_of(options("uniform_4"));
  const std::string before = read_file(log("uniform_4")), source = read_file(log("source"));
  const auto bundle_time = fs::last_write_time(work_ / "bundles/uniform_4/config.json");
  const CompareReport two = report_of(options("uniform_4,uniform_2"));
  EXPECT_EQ(read_file(log("uniform_4")), before);
  EXPECT_EQ(read_file(log("source")), source);
  EXPECT_EQ(fs::last_write_time(work_ / "bundles/uniform_4/config.json"), bundle_time);
  EXPECT_EQ(one.rows[1].divergence->kld.mean, two.rows[1].divergence->kld.mean);
  EXPECT_EQ(one.rows[1].convert_seconds, two.rows[1].convert_seconds);
}

TEST_F(Compare, killed_anywhere_it_goes_on_to_the_same_result) {
  CompareOptions o = options("uniform_4,uniform_2");
  o.mmlu = write_mmlu();
  o.subset = MmluSubset::all;
  const json::Value whole = to_json(report_of(o));
  const std::string scores = read_file(log("uniform_2")), items = read_file(log("uniform_4", "tasks"));
  ASSERT_FALSE(items.empty());
  // Killed in the middle of a line; with one model behind the other; before a bundle's record; before any task.
  fs::resize_file(log("uniform_2"), scores.size() * 2 / 3);
  fs::resize_file(log("source"), 0);
  fs::resize_file(log("uniform_4", "tasks"), items.size() / 2);
  fs::remove(log("source", "tasks"));
  fs::resize_file(log("uniform_2", "gains"), 5);
  fs::remove(work_ / "bundles/uniform_4.json");
  json::Value again = to_json(report_of(o));
  again["models"][1]["convert_seconds"] = whole["models"][1]["convert_seconds"];  // made again, in its own time
  EXPECT_EQ(again, whole);
  EXPECT_EQ(read_file(log("uniform_2")), scores);
  EXPECT_EQ(read_file(log("uniform_4", "tasks")), items);
}

TEST_F(Compare, other_settings_are_measured_apart) {
  CompareOptions o = options("uniform_4");
  const double before = report_of(o).rows[1].divergence->kld.mean;
  o.max_tokens = 256;
  EXPECT_NE(report_of(o).rows[1].divergence->kld.mean, before);
  o.max_tokens = 512;
  EXPECT_EQ(report_of(o).rows[1].divergence->kld.mean, before);
  o.load.precision = kernels::Precision::fast;
  EXPECT_NE(report_of(o).rows[1].divergence->kld.mean, before);
}

TEST_F(Compare, a_spoilt_log_is_measured_again) {
  const CompareOptions o = options("uniform_4");
  const double before = report_of(o).rows[1].divergence->kld.mean;
  std::ofstream(log("uniform_4"), std::ios::binary) << "{\"window\":0,\"nll\":[1]}\n";
  EXPECT_EQ(report_of(o).rows[1].divergence->kld.mean, before);
}

TEST_F(Compare, questions_are_paired_with_the_source) {
  CompareOptions o = options("uniform_8,uniform_2");
  o.mmlu = write_mmlu();
  o.subset = MmluSubset::all;
  const CompareReport report = report_of(o);
  for (const CompareRow& row : report.rows) {
    ASSERT_TRUE(row.task.has_value());
    EXPECT_EQ(row.task->raw.n, 12);
    EXPECT_EQ(row.task->subjects.size(), 2u);
    EXPECT_EQ(row.against_source.has_value(), !row.is_source);
  }
  const Comparison& c = *report.rows[2].against_source;
  EXPECT_EQ(c.both + c.neither + c.only_first + c.only_second, 12);
  EXPECT_GE(*report.rows[2].holm_p, c.p);
}

TEST_F(Compare, failures_name_the_recipe_or_file) {
  CompareOptions o = options("auto@1.1bpw");
  const Status too_small = compare(o).status();
  EXPECT_EQ(too_small.code(), StatusCode::invalid_argument);
  EXPECT_NE(too_small.message().find("auto@1.1bpw"), std::string::npos) << too_small.message();
  o = options("uniform_4");
  o.text = (work_ / "none.txt").string();
  EXPECT_EQ(compare(o).status().code(), StatusCode::not_found);
  o = options("uniform_4");
  const CancelFlag stop = true;
  o.run.cancel = &stop;
  EXPECT_EQ(compare(o).status().code(), StatusCode::cancelled);
}

}  // namespace
}  // namespace jang::experiment
