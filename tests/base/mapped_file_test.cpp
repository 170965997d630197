// SPDX-License-Identifier: Apache-2.0
// Mapped files: contents, sizes that do not match, what is not a regular file.
#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace jang {
namespace {

namespace fs = std::filesystem;

class MappedFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_mapped_" + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string file(const std::string& text) const {
    const std::string path = (dir_ / "file").string();
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    return path;
  }
  fs::path dir_;
};

TEST_F(MappedFiles, holds_the_bytes_and_moves) {
  const std::string text(10000, 'x');
  auto mapped = MappedFile::open(file(text + "end"), 10003);
  ASSERT_TRUE(mapped.ok()) << mapped.status().message();
  MappedFile moved = std::move(mapped).value();
  EXPECT_EQ(moved.size(), 10003u);
  EXPECT_EQ(std::memcmp(moved.data() + 10000, "end", 3), 0);
  moved.will_need();
  auto other = MappedFile::open(file("ab"), 2);
  ASSERT_TRUE(other.ok());
  moved = std::move(other).value();
  EXPECT_EQ(moved.size(), 2u);
}

TEST_F(MappedFiles, another_size_is_corrupt) {
  for (const std::uint64_t expected : {0, 1, 3, 100})
    EXPECT_EQ(MappedFile::open(file("ab"), expected).status().code(), StatusCode::corrupt) << expected;
}

TEST_F(MappedFiles, empty_files_map_to_nothing) {
  const auto mapped = MappedFile::open(file(""), 0);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(mapped->size(), 0u);
}

TEST_F(MappedFiles, directories_and_missing_files_are_refused) {
  EXPECT_EQ(MappedFile::open(dir_.string(), 0).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(MappedFile::open((dir_ / "none").string(), 0).status().code(), StatusCode::not_found);
}

}  // namespace
}  // namespace jang
