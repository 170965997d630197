// SPDX-License-Identifier: Apache-2.0
// `jang doctor`: what this machine offers.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_doctor(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
