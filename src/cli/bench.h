// SPDX-License-Identifier: Apache-2.0
// `jang bench`: the speed of a model, or of the linear kernels of this machine.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_bench(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
