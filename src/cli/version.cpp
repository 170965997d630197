// SPDX-License-Identifier: Apache-2.0
// `jang version`.
#include "cli/version.h"

#include <fmt/format.h>

#include "cli/build_info.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "jang/machine.h"

namespace jang::cli {

int run_version(const Arguments& arguments, const Surroundings& surroundings) {
  const BuildInfo build = build_info();
  std::vector<std::string> backends;
  for (const Backend& backend : machine_facts().backends) backends.push_back(backend.name);
  const std::vector<std::string> families = jang::families();
  if (!arguments.has("--json")) {
    return finish(fmt::format("jang {} ({})\ncompiler {}\nbackends {}\nfamilies {}\n", build.version, build.commit, build.compiler,
                              fmt::join(backends, " "), fmt::join(families, " ")),
                  surroundings);
  }
  Json v = Json::object();
  v["schema_version"] = kSchemaVersion;
  v["version"] = build.version;
  v["commit"] = build.commit;
  v["compiler"] = build.compiler;
  v["backends"] = backends;
  v["families"] = families;
  return finish(dump(v, 2) + "\n", surroundings);
}

}  // namespace jang::cli
