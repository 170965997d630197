// SPDX-License-Identifier: Apache-2.0
// What strftime_now() prints.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "jang/status.h"

namespace jang::text::jinja {

[[nodiscard]] Result<std::string> format_time(std::string_view format, std::int64_t unix_seconds, std::int64_t utc_offset_seconds);

}  // namespace jang::text::jinja
