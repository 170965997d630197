// SPDX-License-Identifier: Apache-2.0
// A program that is talked to while it runs, through pipes or on a terminal of its own. Nothing is read behind what a test waits for, and
// what is not read holds the program up: a test that interrupts it always meets it at work.
#pragma once

#include <cerrno>
#include <cstdlib>

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "program.h"

namespace jang::test {

class Dialogue {
 public:
  enum class Streams { pipes, terminal };

  // `err_path`: where stderr goes behind pipes; on a terminal all streams are the terminal.
  Dialogue(Streams streams, Launch launch, const std::string& err_path) {
    std::signal(SIGPIPE, SIG_IGN);  // talking to a program that has ended must not end the tests
    if (streams == Streams::pipes)
      start_piped(launch, err_path);
    else
      start_on_terminal(launch);
  }
  Dialogue(const Dialogue&) = delete;
  Dialogue& operator=(const Dialogue&) = delete;
  ~Dialogue() {
    if (child_ > 0 && !ended_) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close_input();
    close_output();
  }

  // Reads until `text` has come behind what earlier calls waited for; false when the output ends, or nothing comes for too long.
  bool wait_for(std::string_view text) {
    for (;;) {
      if (const std::size_t at = seen_.find(text, waited_); at != std::string::npos) {
        waited_ = at + text.size();
        return true;
      }
      if (!read_some(256)) return false;
    }
  }
  // Reads until the output ends.
  void read_rest() {
    while (read_some(65536)) {
    }
  }
  void say(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(in_, text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void close_input() {
    if (in_ >= 0 && in_ != out_) close(in_);
    in_ = -1;
  }
  // The reader leaves.
  void close_output() {
    if (out_ >= 0) close(out_);
    out_ = -1;
  }
  void signal(int number) { kill(child_, number); }
  // Exit code, or 128 + signal; -1 when it does not end.
  int wait() {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    int status = 0;
    while (waitpid(child_, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > give_up) return -1;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ended_ = true;
    return exit_code_of(status);
  }
  // All that was read.
  [[nodiscard]] const std::string& seen() const { return seen_; }
  // What was read behind the last text waited for.
  [[nodiscard]] std::string unread() const { return seen_.substr(waited_); }

 private:
  void start_piped(Launch& launch, const std::string& err_path) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) std::abort();
#ifdef F_SETPIPE_SZ
    fcntl(out[1], F_SETPIPE_SZ, 4096);  // the sooner it is full
#endif
    child_ = fork();
    if (child_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(open(err_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDERR_FILENO);
      launch.become();
    }
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    out_ = out[0];
  }

  void start_on_terminal(Launch& launch) {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) std::abort();
    const std::string name = ptsname(terminal);
    child_ = fork();
    if (child_ == 0) {
      setsid();  // so that the terminal becomes the controlling one, and its Ctrl-C a signal
      const int end = open(name.c_str(), O_RDWR);
      ioctl(end, TIOCSCTTY, 0);
      const winsize size{24, 100, 0, 0};
      ioctl(end, TIOCSWINSZ, &size);
      for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(end, stream);
      if (end > STDERR_FILENO) close(end);
      launch.become();
    }
    in_ = out_ = terminal;
  }

  bool read_some(std::size_t most) {
    pollfd ready{out_, POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0) return false;
    std::string buffer(most, '\0');
    ssize_t n = 0;
    do n = read(out_, buffer.data(), buffer.size());
    while (n < 0 && errno == EINTR);
    if (n <= 0) return false;  // a terminal whose program has ended gives EIO
    seen_.append(buffer, 0, static_cast<std::size_t>(n));
    return true;
  }

  pid_t child_ = -1;
  int in_ = -1, out_ = -1;
  bool ended_ = false;
  std::string seen_;
  std::size_t waited_ = 0;
};

}  // namespace jang::test
