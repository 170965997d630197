// SPDX-License-Identifier: Apache-2.0
// `jang template`: what a chat template makes of messages, for seeing what a model is really given.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_template(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
