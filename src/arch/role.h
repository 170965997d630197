// SPDX-License-Identifier: Apache-2.0
// What a role implies, beyond its name (arch.h). Inside src/arch only.
#pragma once

#include "arch/arch.h"

namespace jang::arch {

// True when such a weight is the matrix of a linear map or an embedding, which may be quantized; rank and dtype are checked per tensor.
[[nodiscard]] bool is_quantizable(Role role);

}  // namespace jang::arch
