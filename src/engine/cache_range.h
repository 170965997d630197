// SPDX-License-Identifier: Apache-2.0
// Whether keys and values fit the type of the cache. A float16 ends at 65504; what is larger becomes an infinity that need not show up as
// NaN: a score of -infinity drops the position, a softcap makes it an ordinary score, and the text is silently another one.
#pragma once

#include <cstdint>

#include "model/sequence.h"

namespace jang::engine {

// True when one of the `n` positions that a forward has just stored behind `sequence.length()` holds an infinity in an f16 cache. Other
// types have the range of float32, or a scale. Reads the new rows once.
[[nodiscard]] bool overflows_float16(const model::Sequence& sequence, std::int64_t n);

}  // namespace jang::engine
