// SPDX-License-Identifier: Apache-2.0
// Measured numbers in JSON: what is not finite (the logits of a broken model) is null, never a word that JSON does not have.
#pragma once

#include <cmath>

#include "json/json.h"

namespace jang::eval {

[[nodiscard]] inline json::Value finite_or_null(double x) { return std::isfinite(x) ? json::Value(x) : json::Value(nullptr); }

}  // namespace jang::eval
