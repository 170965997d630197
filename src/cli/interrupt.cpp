// SPDX-License-Identifier: Apache-2.0
// Handlers touch lock-free atomics and _exit only, which POSIX allows in a handler.
#include "cli/interrupt.h"

#include <csignal>

#include <unistd.h>

namespace jang::cli {
namespace {

CancelFlag flag{false};
std::atomic<int> first_signal{0};
static_assert(CancelFlag::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void on_signal(int number) {
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, number)) _exit(128 + number);
  flag.store(true);
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
