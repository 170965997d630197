// SPDX-License-Identifier: Apache-2.0
// The writer's promise: an output appears whole or not at all, and nothing existing is overwritten.
#include "format/bundle_writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace jang::format {
namespace {

namespace fs = std::filesystem;

class BundleWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           ("jang_writer_" + std::to_string(::getpid()) + "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    output_ = (dir_ / "out").string();
  }
  void TearDown() override { fs::remove_all(dir_); }

  static std::string text_of(const fs::path& path) {
    std::ifstream f(path);
    std::stringstream s;
    s << f.rdbuf();
    return s.str();
  }
  void make_model(const std::string& path) {
    fs::create_directories(path);
    std::ofstream(path + "/config.json") << "old";
  }
  // Writes one file "a" of 8 bytes and a config, without publishing.
  Result<BundleWriter> filled(bool force = false) {
    JANG_ASSIGN(BundleWriter w, BundleWriter::create(output_, force, {{"a", "head", 8}}));
    JANG_TRY(w.write_at(0, 4, std::as_bytes(std::span("data", 4))));
    JANG_TRY(w.add_text("config.json", "{}"));
    JANG_TRY(w.sync());
    return w;
  }
  std::size_t n_entries() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir_), fs::directory_iterator())); }

  fs::path dir_;
  std::string output_;
};

TEST_F(BundleWriterTest, publish_makes_the_directory_appear_complete) {
  auto w = filled();
  ASSERT_TRUE(w.ok()) << w.status().message();
  EXPECT_FALSE(fs::exists(output_));
  ASSERT_TRUE(w->publish().ok());
  EXPECT_EQ(text_of(output_ + "/a"), "headdata");
  EXPECT_EQ(text_of(output_ + "/config.json"), "{}");
  EXPECT_EQ(n_entries(), 1u);  // no partial directory, no lock left
  EXPECT_EQ(std::distance(fs::directory_iterator(output_), fs::directory_iterator()), 2);
}

TEST_F(BundleWriterTest, destruction_without_publish_leaves_nothing) {
  {
    auto w = filled();
    ASSERT_TRUE(w.ok());
    EXPECT_EQ(n_entries(), 1u);
  }
  EXPECT_EQ(n_entries(), 0u);
}

TEST_F(BundleWriterTest, existing_output_is_refused_without_force) {
  make_model(output_);
  auto w = filled();
  ASSERT_FALSE(w.ok());
  EXPECT_EQ(w.status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(text_of(output_ + "/config.json"), "old");
}

TEST_F(BundleWriterTest, output_that_appears_meanwhile_is_not_replaced) {
  auto w = filled();
  ASSERT_TRUE(w.ok());
  make_model(output_);
  EXPECT_FALSE(w->publish().ok());
  EXPECT_EQ(text_of(output_ + "/config.json"), "old");
}

TEST_F(BundleWriterTest, force_swaps_a_model_directory_only_at_publish) {
  make_model(output_);
  auto w = filled(true);
  ASSERT_TRUE(w.ok()) << w.status().message();
  EXPECT_EQ(text_of(output_ + "/config.json"), "old");
  ASSERT_TRUE(w->publish().ok());
  EXPECT_EQ(text_of(output_ + "/config.json"), "{}");
  EXPECT_EQ(n_entries(), 1u);
}

TEST_F(BundleWriterTest, force_refuses_a_directory_that_is_no_model) {
  fs::create_directories(output_);
  std::ofstream(output_ + "/thesis.tex") << "years of work";
  EXPECT_FALSE(filled(true).ok());
  EXPECT_EQ(text_of(output_ + "/thesis.tex"), "years of work");
}

TEST_F(BundleWriterTest, second_writer_to_one_output_is_refused) {
  auto first = filled();
  ASSERT_TRUE(first.ok());
  auto second = filled();
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("another conversion"), std::string::npos) << second.status().message();
  EXPECT_TRUE(first->publish().ok());
}

TEST_F(BundleWriterTest, leftovers_of_a_killed_writer_are_cleared) {
  fs::create_directories(output_ + ".partial");
  std::ofstream(output_ + ".partial/.lock");
  std::ofstream(output_ + ".partial/a") << "torn";
  auto w = filled();
  ASSERT_TRUE(w.ok()) << w.status().message();
  ASSERT_TRUE(w->publish().ok());
  EXPECT_EQ(text_of(output_ + "/a"), "headdata");
}

TEST_F(BundleWriterTest, a_directory_that_no_writer_left_stays) {
  const std::string mine = output_ + ".partial/a";
  fs::create_directories(output_ + ".partial");
  ASSERT_TRUE(filled().ok());  // killed before it could lock
  fs::create_directories(output_ + ".partial");
  std::ofstream(mine) << "mine";
  auto w = filled();
  ASSERT_FALSE(w.ok());
  EXPECT_EQ(w.status().code(), StatusCode::invalid_argument) << w.status().message();
  EXPECT_EQ(check_not_in_the_way(output_ + "/").code(), StatusCode::invalid_argument);
  EXPECT_EQ(text_of(mine), "mine");
}

TEST_F(BundleWriterTest, missing_parent_directory_is_a_write_error) {
  output_ = (dir_ / "no" / "such" / "out").string();
  auto w = filled();
  ASSERT_FALSE(w.ok());
  EXPECT_TRUE(w.status().is_write_error());
}

}  // namespace
}  // namespace jang::format
