// SPDX-License-Identifier: Apache-2.0
// `jang chat`: a conversation on the terminal through the model's own chat template.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_chat(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
