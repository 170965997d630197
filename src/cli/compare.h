// SPDX-License-Identifier: Apache-2.0
// `jang compare`: recipes on one model, one table, one page.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_compare(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
