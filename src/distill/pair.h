// SPDX-License-Identifier: Apache-2.0
// A bundle and its source, as what is trained against what.
#pragma once

#include <cstdint>

#include "engine/engine.h"
#include "jang/status.h"

namespace jang::distill {

// Errors: invalid_argument (another model: matrices of other names or shapes).
[[nodiscard]] Status check_pair(engine::Engine& bundle, engine::Engine& source);
// Of all matrices of both, as their files have them: equal fingerprints, equal runs. Reads all of them.
[[nodiscard]] std::uint64_t fingerprint_of(engine::Engine& bundle, engine::Engine& source);

}  // namespace jang::distill
