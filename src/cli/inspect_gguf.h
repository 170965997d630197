// SPDX-License-Identifier: Apache-2.0
// `jang inspect FILE.gguf`.
#pragma once

#include <string>

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

// Prints what the file holds. Returns the exit code.
[[nodiscard]] int run_inspect_gguf(const std::string& path, const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
