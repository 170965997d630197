// SPDX-License-Identifier: Apache-2.0
// `jang repair`: a bundle whose config.json says other bits than its tensors have becomes a sound one.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_repair(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
