// SPDX-License-Identifier: Apache-2.0
// The first signal asks for an end, a second one makes it; two at once are one.
#include "cli/interrupt.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace jang::cli {
namespace {

// In a process of its own: handlers and the end of a program are not for the other tests.
TEST(InterruptDeathTest, two_signals_at_once_are_one) {
  EXPECT_EXIT(
      {
        catch_interrupts();
        std::raise(SIGTERM);
        std::raise(SIGTERM);
        std::_Exit(cancel_flag() && interrupt_signal() == SIGTERM ? 7 : 8);
      },
      testing::ExitedWithCode(7), "");
}

TEST(InterruptDeathTest, a_second_signal_ends_the_program) {
  EXPECT_EXIT(
      {
        catch_interrupts();
        std::raise(SIGTERM);
        std::this_thread::sleep_for(std::chrono::milliseconds(400));
        std::raise(SIGINT);
        std::_Exit(8);
      },
      testing::ExitedWithCode(128 + SIGINT), "");
}

}  // namespace
}  // namespace jang::cli
