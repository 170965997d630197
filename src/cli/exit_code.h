// SPDX-License-Identifier: Apache-2.0
// Exit codes of the program: permanent, documented by `jang --help` and docs/cli.md from kExitCodes, which is the only list.
#pragma once

#include <array>
#include <string_view>

#include "jang/status.h"

namespace jang::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,
  kExitInvalidInput = 3,
  kExitUnsupported = 4,
  kExitValidationFailed = 5,
  kExitOutOfMemory = 6,
  kExitWriteFailed = 7,
  kExitInterrupted = 130,
  kExitTerminated = 143,
};

struct ExitCodeRow {
  ExitCode code;
  std::string_view meaning;
};
inline constexpr std::array<ExitCodeRow, 10> kExitCodes = {{
    {kExitOk, "success"},
    {kExitFailure, "any other failure"},
    {kExitUsage, "usage: an unknown or contradictory option, or an output that already exists"},
    {kExitInvalidInput, "an input is missing, truncated or malformed"},
    {kExitUnsupported, "a valid input that this version does not handle"},
    {kExitValidationFailed, "validation found an error, or two inspected models differ"},
    {kExitOutOfMemory, "out of memory"},
    {kExitWriteFailed, "disk full or a failed write"},
    {kExitInterrupted, "interrupted (SIGINT)"},
    {kExitTerminated, "terminated (SIGTERM)"},
}};

// Exit code of a status. `signal_number` is the signal that set the cancel flag, 0 when none did.
[[nodiscard]] constexpr int exit_code_of(StatusCode code, bool is_write_error, int signal_number = 0) {
  switch (code) {
    case StatusCode::ok: return kExitOk;
    case StatusCode::invalid_argument: return kExitUsage;
    case StatusCode::not_found: return kExitInvalidInput;
    case StatusCode::corrupt: return kExitInvalidInput;
    case StatusCode::unsupported: return kExitUnsupported;
    case StatusCode::io: return is_write_error ? kExitWriteFailed : kExitFailure;
    case StatusCode::out_of_memory: return kExitOutOfMemory;
    case StatusCode::device: return kExitFailure;
    case StatusCode::cancelled: return signal_number > 0 ? 128 + signal_number : static_cast<int>(kExitInterrupted);
  }
  return kExitFailure;
}
[[nodiscard]] inline int exit_code(const Status& status, int signal_number = 0) {
  return exit_code_of(status.code(), status.is_write_error(), signal_number);
}

}  // namespace jang::cli
