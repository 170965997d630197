// SPDX-License-Identifier: Apache-2.0
// `jang eval ppl|kld|mmlu|choice`: what one model says, as figures.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_eval(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
