// SPDX-License-Identifier: Apache-2.0
// `jang validate`: every check that needs no source.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_validate(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
