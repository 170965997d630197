// SPDX-License-Identifier: Apache-2.0
// Handlers touch lock-free atomics, the clock and _exit only, which POSIX allows in a handler.
#include "cli/interrupt.h"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>

#include <unistd.h>

namespace jang::cli {
namespace {

CancelFlag flag{false};
std::atomic<int> first_signal{0};
static_assert(CancelFlag::is_always_lock_free && std::atomic<int>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);

// Two signals at once are one: timeout(1), for one, signals the program and then its group.
constexpr std::int64_t kAtOnceMs = 200;
std::atomic<std::int64_t> first_at{0};

std::int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{1000} * now.tv_sec + now.tv_nsec / 1'000'000;
}

void on_signal(int number) {
  int none = 0;
  if (first_signal.compare_exchange_strong(none, number)) {
    first_at.store(now_ms());
    flag.store(true);
  } else if (now_ms() - first_at.load() > kAtOnceMs) {
    _exit(128 + number);
  }
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction inherited {};
    sigaction(number, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) sigaction(number, &action, nullptr);  // a background job stays deaf to the terminal's interrupt
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

void catch_interrupts_of_reading() {
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction now {};
    sigaction(number, nullptr, &now);
    if (now.sa_handler == on_signal) std::signal(number, SIG_DFL);
  }
}

void clear_interrupt() {
  flag.store(false);
  first_signal.store(0);
}

const CancelFlag& cancel_flag() { return flag; }
int interrupt_signal() { return first_signal.load(); }

}  // namespace jang::cli
