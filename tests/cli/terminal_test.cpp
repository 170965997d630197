// SPDX-License-Identifier: Apache-2.0
// When colour is used.
#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace jang::cli {
namespace {

TEST(Terminal, auto_color_needs_a_willing_terminal) {
  EXPECT_TRUE(use_color(ColorWhen::automatic, true, "", "xterm"));
  EXPECT_FALSE(use_color(ColorWhen::automatic, false, "", "xterm"));
  EXPECT_FALSE(use_color(ColorWhen::automatic, true, "1", "xterm"));
  EXPECT_FALSE(use_color(ColorWhen::automatic, true, "", "dumb"));
}

TEST(Terminal, explicit_choice_wins) {
  EXPECT_TRUE(use_color(ColorWhen::always, false, "1", "dumb"));
  EXPECT_FALSE(use_color(ColorWhen::never, true, "", "xterm"));
}

TEST(Terminal, style_is_plain_without_color) {
  EXPECT_EQ(styled("x", Style::red, false), "x");
  EXPECT_EQ(styled("x", Style::red, true), "\x1b[31mx\x1b[0m");
}

}  // namespace
}  // namespace jang::cli
