// SPDX-License-Identifier: Apache-2.0
// Oniguruma to PCRE2.
#pragma once

#include <string>
#include <string_view>

#include "jang/status.h"

namespace jang::text {

// The PCRE2 pattern with the meaning of an Oniguruma pattern.
[[nodiscard]] Result<std::string> translate_pattern(std::string_view pattern);

}  // namespace jang::text
