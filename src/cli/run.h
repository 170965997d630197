// SPDX-License-Identifier: Apache-2.0
// `jang run`: continues a prompt, text streamed to stdout as it comes.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_run(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
