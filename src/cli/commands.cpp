// SPDX-License-Identifier: Apache-2.0
// Command names to functions.
#include "cli/commands.h"

#include <array>

#include "cli/failure.h"

namespace jang::cli {
namespace {

struct Row {
  std::string_view name;
  CommandFunction run;
};
constexpr std::array<Row, 10> kFunctions = {{
    {"convert", run_convert},
    {"plan", run_plan},
    {"inspect", run_inspect},
    {"validate", run_validate},
    {"logits", run_logits},
    {"tokenize", run_tokenize},
    {"profiles", run_profiles},
    {"doctor", run_doctor},
    {"completion", run_completion},
    {"version", run_version},
}};

}  // namespace

CommandFunction command_function(std::string_view name) {
  for (const Row& row : kFunctions)
    if (row.name == name) return row.run;
  return nullptr;
}

int finish(std::string_view result, const Surroundings& surroundings, int code_when_written) {
  const Status written = print_result(result);
  return written.ok() ? code_when_written : fail("the result could not be printed", "", written, surroundings.stderr_color);
}

}  // namespace jang::cli
