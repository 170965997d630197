// SPDX-License-Identifier: Apache-2.0
// `jang distill`: trains a bundle against its source.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_distill(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
