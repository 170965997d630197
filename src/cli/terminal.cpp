// SPDX-License-Identifier: Apache-2.0
// The only file of the project that reads environment variables.
#include "cli/terminal.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/units.h"

namespace jang::cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const auto columns = parse_integer(variable("COLUMNS"), "COLUMNS", 20, 1000);
  return columns.ok() ? static_cast<int>(columns.value()) : 80;
}

// 0, or errno of the failure.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace

bool use_color(ColorWhen when, bool is_terminal, std::string_view no_color, std::string_view term) {
  if (when != ColorWhen::automatic) return when == ColorWhen::always;
  return is_terminal && no_color.empty() && term != "dumb";
}

Surroundings read_surroundings(ColorWhen when) {
  Surroundings s;
  s.hub = {variable("HF_HUB_CACHE"), variable("HF_HOME"), variable("HOME"), variable("HUGGINGFACE_HUB_CACHE"), variable("XDG_CACHE_HOME")};
  const std::string no_color = variable("NO_COLOR"), term = variable("TERM");
  const bool stderr_terminal = isatty(STDERR_FILENO) == 1;
  s.stdout_color = use_color(when, isatty(STDOUT_FILENO) == 1, no_color, term);
  s.stderr_color = use_color(when, stderr_terminal, no_color, term);
  s.stderr_redraws = stderr_terminal && term != "dumb" && !term.empty();
  s.columns = terminal_columns();
  s.program_folders = variable("PATH");
  return s;
}

std::string styled(std::string_view text, Style style, bool color) {
  if (!color) return std::string(text);
  const char* code = "0";
  switch (style) {
    case Style::bold: code = "1"; break;
    case Style::dim: code = "2"; break;
    case Style::red: code = "31"; break;
    case Style::yellow: code = "33"; break;
    case Style::green: code = "32"; break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Status print_result(std::string_view text) {
  const int error = write_all(STDOUT_FILENO, text);
  if (error == 0) return {};
  if (error == EPIPE) {  // the reader has left, as `head` does: there is nobody to tell, and results come last, so nothing is left to do
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  return Status::write_error(fmt::format("writing the result to stdout failed: {}", std::strerror(error)));
}

void print_message(std::string_view text) { static_cast<void>(write_all(STDERR_FILENO, text)); }

}  // namespace jang::cli
