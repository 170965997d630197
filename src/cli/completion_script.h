// SPDX-License-Identifier: Apache-2.0
// Completion scripts from the option table: static text, no call back into the program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jang::cli {

// `profiles`: names offered for --profile. Names and choices hold only letters, digits and "_-"; help texts are quoted for each shell.
[[nodiscard]] std::string bash_completion(const std::vector<std::string_view>& profiles);
[[nodiscard]] std::string zsh_completion(const std::vector<std::string_view>& profiles);
[[nodiscard]] std::string fish_completion(const std::vector<std::string_view>& profiles);

}  // namespace jang::cli
