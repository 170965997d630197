// SPDX-License-Identifier: Apache-2.0
// `jang logits`: the logits of given token ids, and the greedy continuation.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_logits(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
