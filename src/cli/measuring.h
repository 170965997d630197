// SPDX-License-Identifier: Apache-2.0
// What eval and compare have in common: options to protocols and load options, models by name, progress and signals around the work.
#pragma once

#include <cstdint>
#include <string>

#include "cli/arguments.h"
#include "cli/terminal.h"
#include "engine/engine.h"
#include "eval/mmlu.h"
#include "eval/windows.h"
#include "jang/status.h"

namespace jang::cli {

// Exact arithmetic unless --fast; threads and backend. Errors: invalid_argument.
[[nodiscard]] Result<engine::LoadOptions> measuring_load_options(const Arguments& arguments);
// --protocol, --ctx, --stride. Errors: invalid_argument.
[[nodiscard]] Result<eval::Protocol> protocol_of(const Arguments& arguments);
// --tokens; 0 when not given. Errors: invalid_argument.
[[nodiscard]] Result<std::int64_t> token_limit(const Arguments& arguments);

struct MmluOptions {
  int shots = 0;
  eval::MmluSubset subset = eval::MmluSubset::all;
};
[[nodiscard]] Result<MmluOptions> mmlu_options(const Arguments& arguments);

// Directory of what the user typed. Errors never are invalid_argument: the input is at fault.
[[nodiscard]] Result<std::string> model_directory(const std::string& typed, const Surroundings& surroundings);
[[nodiscard]] Result<std::unique_ptr<engine::Engine>> load_model(const std::string& typed, const Surroundings& surroundings,
                                                                 const engine::LoadOptions& options);

// What a measuring command prints on stdout, and the path it made, if any.
struct Measured {
  std::string text, output;
};
using MeasuringWork = Result<Measured> (*)(const Arguments&, const Surroundings&, Observer&);
// Runs `work` with progress on stderr and signals caught, tells success or failure, returns the exit code. `subject`: the argument that
// names what is measured.
[[nodiscard]] int run_measuring_command(const Arguments& arguments, const Surroundings& surroundings, const std::string& subject,
                                        MeasuringWork work);

}  // namespace jang::cli
