// SPDX-License-Identifier: Apache-2.0
// Command names to functions.
#include "cli/commands.h"

#include <array>

#include "cli/bench.h"
#include "cli/calibrate.h"
#include "cli/chat.h"
#include "cli/compare.h"
#include "cli/completion.h"
#include "cli/convert.h"
#include "cli/distill.h"
#include "cli/doctor.h"
#include "cli/estimate.h"
#include "cli/eval.h"
#include "cli/export.h"
#include "cli/failure.h"
#include "cli/inspect.h"
#include "cli/logits.h"
#include "cli/plan.h"
#include "cli/profiles.h"
#include "cli/repair.h"
#include "cli/run.h"
#include "cli/template.h"
#include "cli/tokenize.h"
#include "cli/validate.h"
#include "cli/version.h"

namespace jang::cli {
namespace {

struct Row {
  std::string_view name;
  CommandFunction run;
};
constexpr auto kFunctions = std::to_array<Row>({
    {"convert", run_convert},   {"plan", run_plan},         {"calibrate", run_calibrate},
    {"distill", run_distill},   {"export", run_export},     {"run", run_run},
    {"chat", run_chat},         {"bench", run_bench},       {"inspect", run_inspect},
    {"validate", run_validate}, {"logits", run_logits},     {"eval", run_eval},
    {"compare", run_compare},   {"tokenize", run_tokenize}, {"template", run_template},
    {"profiles", run_profiles}, {"doctor", run_doctor},     {"completion", run_completion},
    {"version", run_version},   {"estimate", run_estimate}, {"repair", run_repair},
});

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
