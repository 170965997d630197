// SPDX-License-Identifier: Apache-2.0
// Text from files, pipes and devices, with one bound for all of them.
#include "base/text_input.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <csignal>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace jang {
namespace {

namespace fs = std::filesystem;

class TextInput : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "jang_input_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string at(const char* name) const { return (dir_ / name).string(); }
  // What a reader of a pipe gets when `text` is written into it.
  Result<std::string> through_pipe(const std::string& text, std::size_t max_bytes) const {
    EXPECT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
    std::thread writer([&] {
      const int fd = ::open(at("pipe").c_str(), O_WRONLY | O_CLOEXEC);
      for (std::size_t done = 0; done < text.size();) {
        const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
        if (n <= 0) break;  // the reader has had enough
        done += static_cast<std::size_t>(n);
      }
      ::close(fd);
    });
    Result<std::string> read = read_text_input(at("pipe"), max_bytes);
    writer.join();
    fs::remove(at("pipe"));
    return read;
  }
  fs::path dir_;
};

TEST_F(TextInput, file_and_pipe_give_the_same_text) {
  const auto old = ::signal(SIGPIPE, SIG_IGN);
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{65536}, std::size_t{65537}, std::size_t{3} << 20}) {
    std::string text(n, '\0');
    for (std::size_t i = 0; i < n; ++i) text[i] = static_cast<char>(i * 7 + i / 256);
    std::ofstream(at("file"), std::ios::binary) << text;
    const auto file = read_text_input(at("file"), n), pipe = through_pipe(text, n);
    ASSERT_TRUE(file.ok() && pipe.ok()) << file.status().message() << pipe.status().message();
    EXPECT_TRUE(*file == text && *pipe == text) << n;
    if (n == 0) continue;
    EXPECT_EQ(read_text_input(at("file"), n - 1).status().code(), StatusCode::invalid_argument);
    EXPECT_EQ(through_pipe(text, n - 1).status().code(), StatusCode::invalid_argument);
  }
  ::signal(SIGPIPE, old);
}

TEST_F(TextInput, dash_is_standard_input) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const int saved = ::dup(STDIN_FILENO);
  ASSERT_EQ(::write(ends[1], "from a pipe\n", 12), 12);
  ::close(ends[1]);
  ::dup2(ends[0], STDIN_FILENO);
  const auto dash = read_text_input("-", 100);
  const auto device = read_text_input("/dev/stdin", 100);  // the same pipe, now at its end
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
  ::close(ends[0]);
  ASSERT_TRUE(dash.ok()) << dash.status().message();
  EXPECT_EQ(*dash, "from a pipe\n");
  ASSERT_TRUE(device.ok()) << device.status().message();
  EXPECT_EQ(*device, "");
}

TEST_F(TextInput, endless_devices_end_at_the_bound) {
  const auto zeros = read_text_input("/dev/zero", 1000);
  EXPECT_EQ(zeros.status().code(), StatusCode::invalid_argument);
  EXPECT_NE(zeros.status().message().find("1000"), std::string::npos);
  const auto none = read_text_input("/dev/null", 1000);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, "");
}

TEST_F(TextInput, what_is_not_there_or_no_text_is_refused) {
  EXPECT_EQ(read_text_input(at("none"), 10).status().code(), StatusCode::not_found);
  EXPECT_EQ(read_text_input(dir_.string(), 10).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(read_text_input("", 10).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(read_text_input(std::string("a\0b", 3), 10).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace jang
