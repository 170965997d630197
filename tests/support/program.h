// SPDX-License-Identifier: Apache-2.0
// The built program, run as a user runs it: each test has a working directory of its own, and nothing of the surroundings reaches the
// program but what the test gives it. Streams are files here; session.h has pipes and terminals.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundled_model.h"
#include "contains.h"
#include "json/json.h"
#include "paths.h"

namespace jang::test {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Environment = std::vector<std::pair<std::string, std::string>>;

inline const std::string kProgram = binary_dir() + "/jang";
// No test waits longer for the program, however slow the machine: what takes this long hangs.
constexpr std::chrono::seconds kPatience{60};
// A little: beside other tests on two cores a niceness of 10 is a tenth of the time, and tests of seconds took minutes.
constexpr int kWayMade = 2;

struct ProgramOutcome {
  int code = -1;  // exit code, or 128 + signal that killed it
  std::string out, err;
};

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline int exit_code_of(int wait_status) { return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status); }

// What a child needs between fork and exec, made before: another thread of the tests may hold the allocator's lock.
class Launch {
 public:
  Launch(const std::string& program, const Words& words, const fs::path& directory, const Environment& environment)
      : program_(program), directory_(directory.string()) {
    texts_.push_back(program);
    texts_.insert(texts_.end(), words.begin(), words.end());
    const std::size_t n_arguments = texts_.size();
    for (char** given = environ; *given != nullptr; ++given)
      if (!is_replaced(*given, environment)) texts_.emplace_back(*given);
    texts_.push_back("HOME=" + directory_);
    for (const auto& [name, value] : environment) texts_.push_back(name + "=" + value);
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      if (i == n_arguments) arguments_.push_back(nullptr);
      arguments_.push_back(texts_[i].data());
    }
    arguments_.push_back(nullptr);
    environment_at_ = n_arguments + 1;
  }
  Launch(const Launch&) = delete;  // pointers into texts_
  Launch& operator=(const Launch&) = delete;
  // In the child: becomes the program. `niceness`: makes way for the test, which wants to interfere before the work is done.
  [[noreturn]] void become(int niceness = 0, rlim_t max_file_bytes = RLIM_INFINITY) {
    for (const int number : {SIGINT, SIGPIPE}) std::signal(number, SIG_DFL);  // a test run in the background inherits them ignored
    const rlimit limit{max_file_bytes, max_file_bytes};
    if (chdir(directory_.c_str()) != 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(99);
    setpriority(PRIO_PROCESS, 0, niceness);
    execve(program_.c_str(), arguments_.data(), arguments_.data() + environment_at_);
    _exit(98);
  }

 private:
  static bool is_replaced(std::string_view given, const Environment& environment) {
    const std::string_view name = given.substr(0, given.find('='));
    for (const char* read : {"HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "NO_COLOR", "TERM", "COLUMNS"})
      if (name == read) return true;
    return std::ranges::any_of(environment, [&](const auto& pair) { return pair.first == name; });
  }
  std::string program_, directory_;
  std::vector<std::string> texts_;
  std::vector<char*> arguments_;  // arguments, null, environment, null
  std::size_t environment_at_ = 0;
};

class ProgramTest : public ::testing::Test {
 public:
  ~ProgramTest() override {
    std::error_code error;
    for (const std::string& path : {stdin_path(), stdout_path(), stderr_path()}) fs::remove(path, error);
  }

 protected:
  struct Start {
    std::string input;  // stdin
    Environment environment;
    std::string out_path;  // where stdout goes, "" = read back as ProgramOutcome::out
    int niceness = 0;
    rlim_t max_file_bytes = RLIM_INFINITY;
  };

  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "jang_cli_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    ASSERT_TRUE(fs::exists(kProgram)) << kProgram;
    ASSERT_TRUE(fs::exists(kBundledModel + "/config.json")) << kBundledModel;
  }
  void TearDown() override {
    std::error_code error;
    fs::remove_all(dir_, error);
  }

  // Starts the program in the test's directory, streams in files beside it (not in it).
  pid_t start(const Words& words, const Start& how) const {
    std::ofstream(stdin_path(), std::ios::binary) << how.input;
    std::error_code error;
    fs::remove(stderr_path(), error);  // nobody may read what an earlier run said
    Launch launch(kProgram, words, dir_, how.environment);
    const std::string in_path = stdin_path(), err_path = stderr_path();
    const std::string out_path = how.out_path.empty() ? stdout_path() : how.out_path;
    const pid_t child = fork();
    if (child != 0) return child;
    dup2(open(in_path.c_str(), O_RDONLY | O_CLOEXEC), STDIN_FILENO);
    dup2(open(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDOUT_FILENO);
    dup2(open(err_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDERR_FILENO);
    launch.become(how.niceness, how.max_file_bytes);
  }
  ProgramOutcome finish(pid_t child, const Start& how) const {
    int status = 0;
    waitpid(child, &status, 0);
    return {exit_code_of(status), how.out_path.empty() ? read_file(stdout_path()) : "", read_file(stderr_path())};
  }
  ProgramOutcome run(const Words& words, const Start& how) const { return finish(start(words, how), how); }
  ProgramOutcome run(const Words& words) const { return run(words, Start()); }
  // The same, its stdin being `input`.
  ProgramOutcome run_with_input(const std::string& input, const Words& words) const {
    Start how;
    how.input = input;
    return run(words, how);
  }

  // Sends `number` once the program's stderr holds `sign`. The program must be at work long enough to be met at it: it makes way for the
  // test, and tests look at the outcome to see that it was.
  ProgramOutcome run_and_signal(const Words& words, const std::string& sign, int number) const {
    Start how;
    how.niceness = kWayMade;
    const pid_t child = start(words, how);
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    int status = 0;
    while (!contains(read_file(stderr_path()), sign) && std::chrono::steady_clock::now() < give_up) {
      if (waitpid(child, &status, WNOHANG) == child) return {exit_code_of(status), read_file(stdout_path()), read_file(stderr_path())};
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    kill(child, number);
    return finish(child, how);
  }

  // A document; what is none ends the test.
  static json::Value parse(const std::string& text) {
    Result<json::Value> parsed = json::parse(text, "text");
    if (!parsed.ok()) throw std::runtime_error("not a document: " + text.substr(0, 300));
    return std::move(parsed).value();
  }
  static json::Value document(const ProgramOutcome& outcome) { return parse(outcome.out); }
  // The same of a command that has to succeed and to say nothing on stderr.
  json::Value document_of(const Words& words) const {
    const ProgramOutcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    json::Value d = document(outcome);
    EXPECT_EQ(d.value("schema_version", 0), 1);
    return d;
  }
  // Every line of `text` as a document.
  static std::vector<json::Value> documents(const std::string& text) {
    std::vector<json::Value> all;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) all.push_back(parse(line));
    return all;
  }

  // Entries of the working directory, by name.
  std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(dir_)) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  void write(const std::string& name, std::string_view text) const { std::ofstream(dir_ / name, std::ios::binary) << text; }
  // The bundled model as a directory `name` of the test's own, where files can be added or replaced.
  void link_model(const std::string& name) const {
    fs::create_directory(dir_ / name);
    for (const fs::directory_entry& entry : fs::directory_iterator(kBundledModel))
      fs::create_symlink(entry.path(), dir_ / name / entry.path().filename());
  }
  // Replaces a link of link_model by a file.
  void replace(const std::string& name, std::string_view text) const {
    fs::remove(dir_ / name);
    write(name, text);
  }

  std::string stdin_path() const { return dir_.string() + ".stdin"; }
  std::string stdout_path() const { return dir_.string() + ".stdout"; }
  std::string stderr_path() const { return dir_.string() + ".stderr"; }

  fs::path dir_;
};

}  // namespace jang::test
