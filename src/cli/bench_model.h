// SPDX-License-Identifier: Apache-2.0
// The speed of a model, one of the two subjects of `jang bench`.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int bench_named_model(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace jang::cli
