// SPDX-License-Identifier: Apache-2.0
// `jang tokenize`: text to ids and back, as the model's tokenizer.json says.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_tokenize(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
