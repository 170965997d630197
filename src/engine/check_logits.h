// SPDX-License-Identifier: Apache-2.0
// Logits are looked at before they are used: a model whose numbers broke down is an error, not an empty answer or a perplexity of NaN.
#pragma once

#include <cstdint>
#include <span>

#include "jang/status.h"

namespace jang::engine {

// Rows of `vocab` logits each. -infinity is a token that the model rules out; NaN, +infinity, and a row that rules out every token are
// errors: corrupt, saying what was found. O(logits).
[[nodiscard]] Status check_logits(std::span<const float> logits, std::int64_t vocab);

}  // namespace jang::engine
