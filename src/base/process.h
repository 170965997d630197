// SPDX-License-Identifier: Apache-2.0
// Running another program to its end, without a shell: words are passed as they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "jang/status.h"

namespace jang {

// Runs words[0], a path, with the others as arguments, nothing on its input and both outputs in the file `log`, which is replaced. The
// program sees this process's environment. When `cancel` is set it is asked to end (SIGTERM) and waited for. Errors: not_found (no such
// program), io (a program that fails or is killed: its code and the last line of its log), cancelled, write errors of the log.
[[nodiscard]] Status run_program(const std::vector<std::string>& words, const std::string& log, const CancelFlag* cancel);

// Path of the executable file `name` in `folders`, separated by ':', or empty. Empty folders are passed over, not taken for the working
// directory.
[[nodiscard]] std::string find_program(std::string_view name, std::string_view folders);

}  // namespace jang
