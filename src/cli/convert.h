// SPDX-License-Identifier: Apache-2.0
// `jang convert`: a checkpoint becomes a bundle.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_convert(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
