// SPDX-License-Identifier: Apache-2.0
// The table of commands: each is one function in the file of its name, which gets parsed arguments, prints, and returns an exit code.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

// The function of a row of the command table, never null for those.
using CommandFunction = int (*)(const Arguments&, const Surroundings&);
[[nodiscard]] CommandFunction command_function(std::string_view name);

// Prints a result and returns its exit code: kExitOk, or that of the failed write.
[[nodiscard]] int finish(std::string_view result, const Surroundings& surroundings, int code_when_written = 0);

}  // namespace jang::cli
