// SPDX-License-Identifier: Apache-2.0
// posix_spawn, and a wait that looks at the flag several times a second.
#include "base/process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file.h"

extern char** environ;

namespace jang {
namespace {

constexpr std::chrono::milliseconds kLookEvery{50};
constexpr std::size_t kMaxLogBytes = 64u << 20;

std::string last_line(const std::string& log) {
  const Result<std::string> text = read_text(log, kMaxLogBytes);
  if (!text.ok()) return "";
  const std::size_t end = text->find_last_not_of(" \r\n");
  if (end == std::string::npos) return "";
  const std::size_t begin = text->find_last_of("\r\n", end);
  return text->substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

// Streams of the program, set up before it runs.
class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  void connect(const std::string& log) {
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
  }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

}  // namespace

Status run_program(const std::vector<std::string>& words, const std::string& log, const CancelFlag* cancel) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  SpawnActions actions;
  actions.connect(log);
  pid_t child = 0;
  if (const int error = posix_spawn(&child, words.front().c_str(), actions.get(), nullptr, arguments.data(), environ); error != 0)
    return {error == ENOENT ? StatusCode::not_found : StatusCode::io,
            fmt::format("cannot run {}: {}", words.front(), std::strerror(error))};
  bool stopped = false;
  int outcome = 0;
  for (;;) {
    const pid_t done = waitpid(child, &outcome, WNOHANG);
    if (done == child) break;
    if (done < 0 && errno != EINTR) return {StatusCode::io, fmt::format("lost {}: {}", words.front(), std::strerror(errno))};
    if (!stopped && cancel != nullptr && cancel->load(std::memory_order_relaxed)) {
      kill(child, SIGTERM);
      stopped = true;
    }
    std::this_thread::sleep_for(kLookEvery);
  }
  if (stopped) return {StatusCode::cancelled, fmt::format("{} was stopped", words.front())};
  if (WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0) return {};
  const std::string how = WIFEXITED(outcome) ? fmt::format("ended with code {}", WEXITSTATUS(outcome))
                                             : fmt::format("was killed by signal {}", WTERMSIG(outcome));
  const std::string line = last_line(log);
  return {StatusCode::io, fmt::format("{} {}{}{}; all it said is in {}", words.front(), how, line.empty() ? "" : ": ", line, log)};
}

std::string find_program(std::string_view name, std::string_view folders) {
  for (std::size_t begin = 0; begin < folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    if (end > begin) {
      const std::string path = (std::filesystem::path(folders.substr(begin, end - begin)) / name).string();
      std::error_code error;
      if (std::filesystem::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0) return path;
    }
    begin = end + 1;
  }
  return "";
}

}  // namespace jang
