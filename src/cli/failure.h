// SPDX-License-Identifier: Apache-2.0
// How a failure is told: what failed, why, what to do.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "jang/status.h"

namespace jang::cli {

// The failure of a command line that asks for what cannot be.
[[nodiscard]] inline Status usage(std::string message) { return {StatusCode::invalid_argument, std::move(message)}; }

// What to do about a failed `command` ("convert", ...), one sentence.
[[nodiscard]] std::string advice(std::string_view command, const Status& status);

// "error: <what>\n  why: <message>\n  fix: <advice>\n"; without the last line where there is no advice
[[nodiscard]] std::string failure_text(std::string_view what, std::string_view command, const Status& status, bool color);
// The three parts in one line, for JSON events.
[[nodiscard]] std::string failure_line(std::string_view what, std::string_view command, const Status& status);

// Prints failure_text to stderr and returns the exit code.
[[nodiscard]] int fail(std::string_view what, std::string_view command, const Status& status, bool color);

// A failure to open what the user named: an invalid_argument there is about the input, not about the options.
[[nodiscard]] Status as_input_failure(const Status& status);

}  // namespace jang::cli
