// SPDX-License-Identifier: Apache-2.0
// Git LFS pointers: the few lines that stand in the place of a file which git has not fetched.
#pragma once

#include <string_view>

#include "jang/status.h"

namespace jang {

// What helps against one, as the end of a message.
inline constexpr std::string_view kLfsPointerHelp =
    "a Git LFS pointer, not the file itself: run 'git lfs pull' or download the model again";

// Whether a text is a pointer (its specification: the first line names the version).
[[nodiscard]] bool is_lfs_pointer(std::string_view text);
// Corrupt for a pointer; `what` names the file.
[[nodiscard]] Status check_no_lfs_pointer(std::string_view text, std::string_view what);

}  // namespace jang
