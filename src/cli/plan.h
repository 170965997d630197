// SPDX-License-Identifier: Apache-2.0
// `jang plan`: what convert would do, and why.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_plan(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
