// SPDX-License-Identifier: Apache-2.0
// What eval and compare have in common: options to protocols, questions and models.
#pragma once

#include <cstdint>
#include <string>

#include "cli/arguments.h"
#include "cli/terminal.h"
#include "jang/eval.h"
#include "jang/model.h"
#include "jang/status.h"

namespace jang::cli {

// Exact arithmetic unless --fast; threads and backend. Errors: invalid_argument, unsupported (backend not available here).
[[nodiscard]] Result<ModelOptions> measuring_model_options(const Arguments& arguments);
// --file, --protocol, --ctx, --stride, --tokens. Errors: invalid_argument.
[[nodiscard]] Result<TextOptions> text_options(const Arguments& arguments);
// --shots and --subset. Errors: invalid_argument.
[[nodiscard]] Result<MmluOptions> mmlu_options(const Arguments& arguments);

// Errors never are invalid_argument: the input is at fault.
[[nodiscard]] Result<Model> open_measured_model(const std::string& typed, const Surroundings& surroundings, const ModelOptions& options);

}  // namespace jang::cli
