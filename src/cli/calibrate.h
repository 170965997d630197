// SPDX-License-Identifier: Apache-2.0
// `jang calibrate`: measures the statistics of a model, on text that it samples itself by default, and writes a file that convert reads.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_calibrate(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
