// SPDX-License-Identifier: Apache-2.0
// Text that a user names, wherever it comes from. Files of a model are read by file.h, which takes regular files only.
#pragma once

#include <cstddef>
#include <string>

#include "jang/status.h"

namespace jang {

// All of a file, a pipe (`<(command)`), a device (`/dev/stdin`), or of standard input where `path` is "-". Waits for a pipe's writer, as
// `cat` does. Errors: not_found; invalid_argument (a directory, more than `max_bytes`); io; out_of_memory.
[[nodiscard]] Result<std::string> read_text_input(const std::string& path, std::size_t max_bytes);

}  // namespace jang
