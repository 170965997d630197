// SPDX-License-Identifier: Apache-2.0
// `jang completion`: scripts for shells, and the reference for docs/cli.md.
#include "cli/completion.h"

#include "cli/commands.h"
#include "cli/completion_script.h"
#include "cli/help.h"
#include "jang/plan.h"

namespace jang::cli {

int run_completion(const Arguments& arguments, const Surroundings& surroundings) {
  std::vector<std::string_view> profiles;
  for (const Profile& row : jang::profiles()) profiles.push_back(row.name);
  const std::string shell = arguments.value("SHELL");
  if (shell == "markdown") return finish(cli_markdown(), surroundings);
  if (shell == "bash") return finish(bash_completion(profiles), surroundings);
  if (shell == "zsh") return finish(zsh_completion(profiles), surroundings);
  return finish(fish_completion(profiles), surroundings);
}

}  // namespace jang::cli
