// SPDX-License-Identifier: Apache-2.0
// `jang version`.
#include <fmt/format.h>

#include "arch/arch.h"
#include "cli/build_info.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "kernels/instruction_set.h"

namespace jang::cli {

int run_version(const Arguments& arguments, const Surroundings& surroundings) {
  const BuildInfo build = build_info();
  std::vector<std::string_view> backends;
  for (const kernels::InstructionSet& backend : kernels::instruction_sets()) backends.push_back(backend.name);
  const std::vector<std::string_view> families = arch::families();
  if (!arguments.has("--json")) {
    return finish(fmt::format("jang {} ({})\ncompiler {}\nbackends {}\nfamilies {}\n", build.version, build.commit, build.compiler,
                              fmt::join(backends, " "), fmt::join(families, " ")),
                  surroundings);
  }
  json::Value v = json::Value::object();
  v["schema_version"] = kSchemaVersion;
  v["version"] = build.version;
  v["commit"] = build.commit;
  v["compiler"] = build.compiler;
  v["backends"] = backends;
  v["families"] = families;
  return finish(json::dump(v, 2) + "\n", surroundings);
}

}  // namespace jang::cli
