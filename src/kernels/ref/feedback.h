// SPDX-License-Identifier: Apache-2.0
// Scalar definition of encoding with error feedback and of the Gram matrix it needs; contracts in encode.h.
#pragma once

#include "kernels/encode.h"

namespace jang::kernels::ref {

[[nodiscard]] EncodeError encode_feedback(const EncodeArgs& a);
void add_gram_rows(const float* x, std::int64_t n, std::int64_t stride, std::int64_t in, std::int64_t begin, float* out);

}  // namespace jang::kernels::ref
