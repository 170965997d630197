// SPDX-License-Identifier: Apache-2.0
// Programs that end well, badly, by a signal, on request, and those that are not there.
#include "base/process.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"

namespace {

namespace fs = std::filesystem;

std::string log_path() { return testing::TempDir() + "/process_" + testing::UnitTest::GetInstance()->current_test_info()->name() + ".log"; }

TEST(Process, words_arrive_as_they_are_and_both_outputs_are_kept) {
  ASSERT_TRUE(
      jang::run_program({"/bin/sh", "-c", "printf '%s|' \"$@\"; echo end >&2", "sh", "a b", "$HOME", "*"}, log_path(), nullptr).ok());
  EXPECT_EQ(jang::read_text(log_path(), 1000).value(), "a b|$HOME|*|end\n");
}

TEST(Process, failure_tells_code_and_last_line) {
  const jang::Status failed = jang::run_program({"/bin/sh", "-c", "echo first; echo why; exit 3"}, log_path(), nullptr);
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.message().find("code 3: why;"), std::string::npos) << failed.message();
  const jang::Status killed = jang::run_program({"/bin/sh", "-c", "kill -9 $$"}, log_path(), nullptr);
  EXPECT_NE(killed.message().find("signal 9"), std::string::npos) << killed.message();
  EXPECT_EQ(jang::run_program({"/nowhere/program"}, log_path(), nullptr).code(), jang::StatusCode::not_found);
}

TEST(Process, cancelled_program_is_ended) {
  jang::CancelFlag cancel{false};
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    cancel = true;
  });
  const auto start = std::chrono::steady_clock::now();
  const jang::Status status = jang::run_program({"/bin/sleep", "30"}, log_path(), &cancel);
  later.join();
  EXPECT_EQ(status.code(), jang::StatusCode::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(Process, programs_are_found_in_order) {
  const fs::path root = fs::path(testing::TempDir()) / "process_folders";
  fs::remove_all(root);
  for (const char* folder : {"a", "b", "c"}) fs::create_directories(root / folder);
  fs::create_directory(root / "a/tool");  // a folder of that name is no program
  std::ofstream(root / "b/tool") << "#!/bin/sh\n";
  std::ofstream(root / "c/tool") << "#!/bin/sh\n";
  fs::permissions(root / "c/tool", fs::perms::owner_all);
  const std::string folders = (root / "a").string() + "::" + (root / "b").string() + ":" + (root / "c").string();
  EXPECT_EQ(jang::find_program("tool", folders), (root / "c/tool").string());
  EXPECT_EQ(jang::find_program("other", folders), "");
  EXPECT_EQ(jang::find_program("tool", ""), "");
  fs::remove_all(root);
}

}  // namespace
