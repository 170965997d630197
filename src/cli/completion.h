// SPDX-License-Identifier: Apache-2.0
// `jang completion`: scripts for shells, and the reference for docs/cli.md.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_completion(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
