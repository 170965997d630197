// SPDX-License-Identifier: Apache-2.0
// What a role implies, beyond its name (arch.h). Inside src/arch only.
#pragma once

#include "arch/arch.h"

namespace jang::arch {

// True when the MLX module that holds such a weight can be quantized at all; rank and dtype are checked per tensor.
[[nodiscard]] bool is_quantizable(Role role);

}  // namespace jang::arch
