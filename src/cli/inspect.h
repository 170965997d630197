// SPDX-License-Identifier: Apache-2.0
// `jang inspect`: what a directory holds, source checkpoint or bundle.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_inspect(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
