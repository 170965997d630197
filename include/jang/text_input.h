// SPDX-License-Identifier: Apache-2.0
// For programs in front of the library: text that a user names, and names that a user mistypes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "jang/export.h"
#include "jang/status.h"

namespace jang {

// All of a file, a pipe (`<(command)`), a device (`/dev/stdin`), or of standard input where `path` is "-". Waits for a pipe's writer, as
// `cat` does. Errors: not_found; invalid_argument (a directory, more than `max_bytes`); io; out_of_memory.
[[nodiscard]] JANG_API Result<std::string> read_text_input(const std::string& path, std::size_t max_bytes);

// A JSON text read as Python's json module reads it, within bounds of size and depth, and written again as strict JSON: safe for any
// parser. `what` names it in messages. Errors: corrupt (with line and column), invalid_argument (more than `max_bytes`).
[[nodiscard]] JANG_API Result<std::string> normalize_json(std::string_view text, std::string_view what, std::size_t max_bytes = 64u << 20);

// Outside text for a message: in double quotes, control and non-ASCII characters escaped, cut after `max_bytes`.
[[nodiscard]] JANG_API std::string quote(std::string_view text, std::size_t max_bytes = 128);

// "; did you mean 'name'?" for the candidate nearest to what was typed, "" when none is near.
[[nodiscard]] JANG_API std::string nearest_hint(std::string_view typed, std::span<const std::string_view> candidates);

}  // namespace jang
