// SPDX-License-Identifier: Apache-2.0
// Files: what is refused (pipes, directories, links into nothing), truncation seen as corrupt, exclusive creation, reservation on a disk
// without room, and the renames in both their forms.
#include "base/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include <gtest/gtest.h>

namespace jang {
namespace {

namespace fs = std::filesystem;

class File : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "jang-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  [[nodiscard]] std::string at(const std::string& name) const { return (root_ / name).string(); }
  std::string make(const std::string& name, const std::string& text) const {
    std::ofstream(at(name), std::ios::binary) << text;
    return at(name);
  }
  [[nodiscard]] std::string text_of(const std::string& name) const {
    std::ifstream in(at(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path root_;
};

std::span<const std::byte> bytes_of(std::string_view s) { return std::as_bytes(std::span(s)); }

std::string read_range(const InputFile& file, std::uint64_t offset, std::size_t n) {
  std::string out(n, '?');
  const Status s = file.read_at(offset, std::as_writable_bytes(std::span(out)));
  return s.ok() ? out : "error: " + s.message();
}

TEST_F(File, read_at_returns_the_range) {
  const auto file = InputFile::open(make("a", "0123456789"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->size(), 10u);
  EXPECT_EQ(file->path(), at("a"));
  EXPECT_EQ(read_range(*file, 0, 10), "0123456789");
  EXPECT_EQ(read_range(*file, 7, 3), "789");
  EXPECT_EQ(read_range(*file, 10, 0), "");
}

TEST_F(File, read_past_the_end_is_corrupt_and_says_where) {
  const auto file = InputFile::open(make("a", "0123456789"));
  ASSERT_TRUE(file.ok());
  std::array<std::byte, 4> out{};
  for (const std::uint64_t offset : {std::uint64_t{7}, std::uint64_t{11}, ~std::uint64_t{0}, ~std::uint64_t{0} - 2}) {
    const Status s = file->read_at(offset, out);
    EXPECT_EQ(s.code(), StatusCode::corrupt) << offset;
    EXPECT_NE(s.message().find(at("a")), std::string::npos);
    EXPECT_NE(s.message().find("10 bytes"), std::string::npos);
  }
}

TEST_F(File, read_of_a_file_truncated_meanwhile_is_corrupt) {
  const auto file = InputFile::open(make("a", "0123456789"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->check_unchanged().ok());
  fs::resize_file(at("a"), 4);
  std::array<std::byte, 8> out{};
  const Status s = file->read_at(0, out);
  EXPECT_EQ(s.code(), StatusCode::corrupt);
  EXPECT_NE(s.message().find("byte 4"), std::string::npos) << s.message();
  EXPECT_EQ(file->check_unchanged().code(), StatusCode::corrupt);
}

TEST_F(File, check_unchanged_sees_a_rewrite_of_equal_size) {
  const auto file = InputFile::open(make("a", "0123456789"));
  ASSERT_TRUE(file.ok());
  EXPECT_GT(file->mtime_ns(), 0);
  fs::last_write_time(at("a"), fs::last_write_time(at("a")) + std::chrono::seconds(2));
  const Status s = file->check_unchanged();
  EXPECT_EQ(s.code(), StatusCode::corrupt);
  EXPECT_NE(s.message().find("modification time"), std::string::npos);
}

TEST_F(File, open_refuses_what_is_not_a_regular_file) {
  EXPECT_EQ(InputFile::open(root_.string()).status().code(), StatusCode::invalid_argument);
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  const Status pipe = InputFile::open(at("pipe")).status();  // must not wait for a writer
  EXPECT_EQ(pipe.code(), StatusCode::invalid_argument);
  EXPECT_NE(pipe.message().find("a pipe"), std::string::npos);
  EXPECT_EQ(InputFile::open("/dev/null").status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(InputFile::open("").status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(InputFile::open(std::string("a\0b", 3)).status().code(), StatusCode::invalid_argument);
}

TEST_F(File, open_follows_links_and_explains_dangling_ones) {
  make("a", "text");
  fs::create_symlink("a", at("link"));
  const auto file = InputFile::open(at("link"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(read_range(*file, 0, 4), "text");
  fs::create_symlink("nothing", at("dangling"));
  const Status dangling = InputFile::open(at("dangling")).status();
  EXPECT_EQ(dangling.code(), StatusCode::not_found);
  EXPECT_NE(dangling.message().find("symbolic link"), std::string::npos);
  EXPECT_EQ(InputFile::open(at("missing")).status().code(), StatusCode::not_found);
  EXPECT_EQ(InputFile::open(at("a/b")).status().code(), StatusCode::not_found);
}

TEST_F(File, input_moves_keep_the_file_open) {
  auto a = InputFile::open(make("a", "aaaa"));
  auto b = InputFile::open(make("b", "bb"));
  ASSERT_TRUE(a.ok() && b.ok());
  InputFile moved = std::move(*a);
  EXPECT_EQ(read_range(moved, 0, 4), "aaaa");
  moved = std::move(*b);
  EXPECT_EQ(moved.path(), at("b"));
  EXPECT_EQ(read_range(moved, 0, 2), "bb");
}

TEST_F(File, output_writes_ranges_in_any_order) {
  auto file = OutputFile::create(at("out"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->reserve(8).ok());
  EXPECT_EQ(fs::file_size(at("out")), 8u);
  ASSERT_TRUE(file->write_at(4, bytes_of("4567")).ok());
  ASSERT_TRUE(file->write_at(0, bytes_of("0123")).ok());
  ASSERT_TRUE(file->write_at(8, {}).ok());
  ASSERT_TRUE(file->sync().ok());
  OutputFile moved = std::move(*file);
  ASSERT_TRUE(moved.write_at(8, bytes_of("8")).ok());
  EXPECT_EQ(text_of("out"), "012345678");
}

TEST_F(File, output_never_opens_an_existing_file) {
  make("out", "precious");
  const Status s = OutputFile::create(at("out")).status();
  EXPECT_TRUE(s.is_write_error());
  EXPECT_NE(s.message().find(at("out")), std::string::npos);
  fs::create_symlink("elsewhere", at("link"));
  EXPECT_TRUE(OutputFile::create(at("link")).status().is_write_error()) << "a link must not redirect what is created";
  EXPECT_EQ(text_of("out"), "precious");
  EXPECT_TRUE(OutputFile::create(at("no/such/out")).status().is_write_error());
}

TEST_F(File, reserved_bytes_are_zero_until_written) {
  auto file = OutputFile::create(at("out"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->reserve(0).ok());
  ASSERT_TRUE(file->reserve(70000).ok());
  EXPECT_EQ(text_of("out"), std::string(70000, '\0'));
  struct stat st {};
  ASSERT_EQ(::stat(at("out").c_str(), &st), 0);
  EXPECT_GE(st.st_blocks * 512, 70000) << "reserve must allocate, not leave a hole";
}

TEST_F(File, reserve_beyond_the_free_space_names_both_sizes) {
  auto file = OutputFile::create(at("out"));
  ASSERT_TRUE(file.ok());
  const std::uint64_t needed = fs::space(root_).available + (std::uint64_t{1} << 40);
  const Status s = file->reserve(needed);
  EXPECT_EQ(s.code(), StatusCode::io);
  EXPECT_TRUE(s.is_write_error());
  EXPECT_NE(s.message().find(std::to_string(needed) + " bytes needed"), std::string::npos) << s.message();
  EXPECT_NE(s.message().find("bytes free"), std::string::npos) << s.message();
  EXPECT_TRUE(file->reserve(~std::uint64_t{0}).is_write_error());
}

TEST_F(File, write_beyond_the_file_size_limit_is_a_write_error) {
  auto file = OutputFile::create(at("out"));
  ASSERT_TRUE(file.ok());
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string data(10000, 'x');
  const Status wrote = file->write_at(0, bytes_of(data));  // a short write, then EFBIG
  const Status reserved = file->reserve(10000);
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_TRUE(wrote.is_write_error());
  EXPECT_NE(wrote.message().find(std::to_string(10000 - 4096) + " bytes"), std::string::npos) << wrote.message();
  EXPECT_TRUE(reserved.is_write_error());
}

TEST_F(File, write_at_an_absurd_offset_is_a_write_error) {
  auto file = OutputFile::create(at("out"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->write_at(~std::uint64_t{0} - 1, bytes_of("ab")).is_write_error());
}

TEST_F(File, text_round_trips_and_is_bounded) {
  ASSERT_TRUE(write_text(at("t"), std::string("a\0b\n", 4)).ok());
  const auto text = read_text(at("t"), 4);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, std::string("a\0b\n", 4));
  EXPECT_EQ(read_text(at("t"), 3).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(read_text(at("u"), 3).status().code(), StatusCode::not_found);
  EXPECT_TRUE(write_text(at("t"), "again").is_write_error());
  EXPECT_EQ(text_of("t").size(), 4u);
  ASSERT_TRUE(write_text(at("empty"), "").ok());
  EXPECT_EQ(fs::file_size(at("empty")), 0u);
}

TEST_F(File, sync_directory_wants_a_directory) {
  EXPECT_TRUE(sync_directory(root_.string()).ok());
  EXPECT_TRUE(sync_directory(make("a", "")).is_write_error());
  EXPECT_TRUE(sync_directory(at("missing")).is_write_error());
}

using Rename = Status (*)(const std::string&, const std::string&);

void make_folder(const std::string& path, const std::string& text) {
  fs::create_directory(path);
  std::ofstream(path + "/f") << text;
}

TEST_F(File, rename_moves_but_never_replaces) {
  for (const Rename rename : {Rename{rename_no_replace}, Rename{rename_by_claim}}) {
    make_folder(at("from"), "new");
    ASSERT_TRUE(rename(at("from"), at("to")).ok());
    EXPECT_EQ(text_of("to/f"), "new");
    EXPECT_FALSE(fs::exists(at("from")));

    make_folder(at("from"), "newer");
    const Status full = rename(at("from"), at("to"));
    EXPECT_TRUE(full.is_write_error());
    EXPECT_NE(full.message().find("already exists"), std::string::npos) << full.message();
    fs::create_directory(at("empty"));
    EXPECT_TRUE(rename(at("from"), at("empty")).is_write_error()) << "an empty directory is not ours either";
    make("file", "x");
    EXPECT_TRUE(rename(at("from"), at("file")).is_write_error());
    EXPECT_EQ(text_of("to/f"), "new");
    EXPECT_EQ(text_of("from/f"), "newer");

    EXPECT_TRUE(rename(at("missing"), at("other")).is_write_error());
    EXPECT_FALSE(fs::exists(at("other")));
    EXPECT_TRUE(rename(at("from"), at("no/such")).is_write_error());
    for (const char* name : {"from", "to", "empty", "file"}) fs::remove_all(at(name));
  }
}

TEST_F(File, exchange_swaps_two_directories) {
  for (const Rename exchange : {Rename{rename_exchange}, Rename{exchange_by_steps}}) {
    make_folder(at("a"), "1");
    make_folder(at("b"), "2");
    ASSERT_TRUE(exchange(at("a"), at("b")).ok());
    EXPECT_EQ(text_of("a/f"), "2");
    EXPECT_EQ(text_of("b/f"), "1");
    EXPECT_TRUE(exchange(at("a"), at("missing")).is_write_error());
    EXPECT_TRUE(exchange(at("missing"), at("b")).is_write_error());
    EXPECT_EQ(text_of("a/f"), "2");
    EXPECT_EQ(text_of("b/f"), "1");
    fs::remove_all(at("a"));
    fs::remove_all(at("b"));
    EXPECT_TRUE(fs::is_empty(root_)) << "nothing set aside may stay";
  }
}

TEST_F(File, exchange_takes_paths_with_a_trailing_slash) {
  make_folder(at("a"), "1");
  make_folder(at("b"), "2");
  ASSERT_TRUE(exchange_by_steps(at("a/"), at("b/")).ok());
  EXPECT_EQ(text_of("b/f"), "1");
}

}  // namespace
}  // namespace jang
