// SPDX-License-Identifier: Apache-2.0
// The commands: one function in one file each. They get parsed arguments, print, and return an exit code.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

namespace jang::cli {

[[nodiscard]] int run_convert(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_plan(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_run(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_chat(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_calibrate(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_bench(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_inspect(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_validate(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_logits(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_eval(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_compare(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_tokenize(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_template(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_profiles(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_doctor(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_completion(const Arguments& arguments, const Surroundings& surroundings);
[[nodiscard]] int run_version(const Arguments& arguments, const Surroundings& surroundings);

// The function of a row of the command table, never null for those.
using CommandFunction = int (*)(const Arguments&, const Surroundings&);
[[nodiscard]] CommandFunction command_function(std::string_view name);

// Prints a result and returns its exit code: kExitOk, or that of the failed write.
[[nodiscard]] int finish(std::string_view result, const Surroundings& surroundings, int code_when_written = 0);

}  // namespace jang::cli
