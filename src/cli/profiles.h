// SPDX-License-Identifier: Apache-2.0
// `jang profiles`: the table of profiles, and what the digits of -p stand for.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_profiles(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
