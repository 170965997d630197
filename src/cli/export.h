// SPDX-License-Identifier: Apache-2.0
// `jang export`.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_export(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
