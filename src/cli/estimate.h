// SPDX-License-Identifier: Apache-2.0
// `jang estimate`: what a model would need, from its config.json alone.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_estimate(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
