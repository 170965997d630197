// SPDX-License-Identifier: Apache-2.0
// Scalar definition of the encode ops; contract in kernels.h.
#pragma once

#include "kernels/encode.h"

namespace jang::kernels::ref {

[[nodiscard]] EncodeError encode_rtn(const EncodeArgs& a);
[[nodiscard]] EncodeError encode_fit(const EncodeArgs& a);

}  // namespace jang::kernels::ref
