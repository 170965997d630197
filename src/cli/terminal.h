// SPDX-License-Identifier: Apache-2.0
// What the program knows of its surroundings, read once: environment variables, terminals, width. And the two ways text leaves it.
#pragma once

#include <string>
#include <string_view>

#include "jang/hub.h"
#include "jang/status.h"

namespace jang::cli {

enum class ColorWhen { automatic, always, never };

// Rule of --color: always and never win; auto needs a terminal, an empty NO_COLOR and a TERM other than "dumb".
[[nodiscard]] bool use_color(ColorWhen when, bool is_terminal, std::string_view no_color, std::string_view term);

struct Surroundings {
  HubCache hub;  // HF_HUB_CACHE, HF_HOME, HOME
  bool stdout_color = false, stderr_color = false;
  bool stderr_redraws = false;  // a terminal that understands carriage return and erase
  int columns = 80;             // of stderr
  std::string program_folders;  // PATH
};
[[nodiscard]] Surroundings read_surroundings(ColorWhen when);

enum class Style { bold, dim, red, yellow, green };
// `text` in a style, or as it is without colour.
[[nodiscard]] std::string styled(std::string_view text, Style style, bool color);

// Writes all of `text` to stdout, now. Errors: a write error (a full disk behind a redirection). Where the reader of a pipe has left, the
// program ends by SIGPIPE without a word, as every filter does: print when the work is done.
[[nodiscard]] Status print_result(std::string_view text);
// Writes to stderr; failures are ignored, there is nowhere left to report them.
void print_message(std::string_view text);

}  // namespace jang::cli
