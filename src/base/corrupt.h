// SPDX-License-Identifier: Apache-2.0
// The error of data that are not what they should be.
#pragma once

#include <string>
#include <utility>

#include "jang/status.h"

namespace jang {

[[nodiscard]] inline Status corrupt(std::string message) { return {StatusCode::corrupt, std::move(message)}; }

}  // namespace jang
