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
    case StatusCode::not_found:
      return "check the spelling of the path; an org/name must already be in the local Hub cache, nothing is downloaded";
    case StatusCode::corrupt: return "fetch the named file again; the source was only read, and no output was left";
    case StatusCode::unsupported: return "README.md lists the sources this version takes; `jang inspect` shows what this one is";
    case StatusCode::io:
      return status.is_write_error() ? "free space or choose another disk with --output; no output was left"
                                     : "check permissions and the health of the disk, then run the same command again";
    case StatusCode::out_of_memory: return "close other programs or use fewer --threads";
    case StatusCode::device: return "`jang doctor` shows the devices; --backend ref works everywhere";
    case StatusCode::cancelled: return "run the same command again; nothing that looks like a model was left";
  }
  return "";
}

std::string failure_text(std::string_view what, std::string_view command, const Status& status, bool color) {
  return fmt::format("{}{}\n  why: {}\n  fix: {}\n", styled("error: ", Style::red, color), printable(what), printable(status.message()),
                     advice(command, status));
}

std::string failure_line(std::string_view what, std::string_view command, const Status& status) {
  return fmt::format("{}: {}; {}", what, status.message(), advice(command, status));
}

int fail(std::string_view what, std::string_view command, const Status& status, bool color) {
  print_message(failure_text(what, command, status, color));
  return exit_code(status, interrupt_signal());
}

Status as_input_failure(const Status& status) {
  return status.code() == StatusCode::invalid_argument ? Status(StatusCode::corrupt, status.message()) : status;
}

}  // namespace jang::cli
