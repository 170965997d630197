// SPDX-License-Identifier: Apache-2.0
// `jang inspect MODEL OTHER`: what differs between two models.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_inspect_difference(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
