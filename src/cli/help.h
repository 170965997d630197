// SPDX-License-Identifier: Apache-2.0
// Help text and the command-line reference, rendered from the option table.
#pragma once

#include <string>
#include <string_view>

namespace jang::cli {

// `jang --help` for "", else `jang <command> --help`. Precondition: the command exists. Ends with a newline.
[[nodiscard]] std::string help_text(std::string_view command);

// docs/cli.md.
[[nodiscard]] std::string cli_markdown();

}  // namespace jang::cli
