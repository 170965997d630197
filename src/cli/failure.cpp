// SPDX-License-Identifier: Apache-2.0
// Advice by kind of failure. The message of a Status often carries a more precise one; this is the general next step.
#include "cli/failure.h"

#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "cli/units.h"

namespace jang::cli {

std::string advice(std::string_view command, const Status& status) {
  switch (status.code()) {
    case StatusCode::ok: return "";
    case StatusCode::invalid_argument: return fmt::format("see `jang {} --help`", command);
    case StatusCode::not_found: return "";  // the message names what was looked for, and where
    case StatusCode::corrupt: return "fetch the named file again; the source was only read, and no output was left";
    case StatusCode::unsupported: return "docs/guide.md lists the sources that this version takes; `jang inspect` shows what this one is";
    case StatusCode::io:
      if (command.empty())  // the work was done, and its result could not be printed
        return "make room where standard output goes, or send it elsewhere; files that the command wrote are complete";
      return status.is_write_error() ? "free space or choose another disk with --output; no output was left"
                                     : "check permissions and the health of the disk, then run the same command again";
    case StatusCode::out_of_memory: return "close other programs or use fewer --threads";
    case StatusCode::device: return "`jang doctor` shows the devices; --backend ref works everywhere";
    case StatusCode::cancelled: return "run the same command again; nothing that looks like a model was left";
  }
  return "";
}

std::string failure_text(std::string_view what, std::string_view command, const Status& status, bool color) {
  const std::string fix = advice(command, status);
  return fmt::format("{}{}\n  why: {}\n{}", styled("error: ", Style::red, color), printable(what), printable(status.message()),
                     fix.empty() ? "" : fmt::format("  fix: {}\n", fix));
}

std::string failure_line(std::string_view what, std::string_view command, const Status& status) {
  const std::string fix = advice(command, status);
  return fmt::format("{}: {}{}{}", what, status.message(), fix.empty() ? "" : "; ", fix);
}

int fail(std::string_view what, std::string_view command, const Status& status, bool color) {
  print_message(failure_text(what, command, status, color));
  return exit_code(status, interrupt_signal());
}

Status as_input_failure(const Status& status) {
  return status.code() == StatusCode::invalid_argument ? Status(StatusCode::not_found, status.message()) : status;
}

}  // namespace jang::cli
