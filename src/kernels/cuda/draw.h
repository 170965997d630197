// SPDX-License-Identifier: Apache-2.0
// Tokens drawn from predictions on the card (device.h, draw).
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

// at, ids: [n]
void draw(const Rows& logits, const double* at, std::int32_t* ids, std::int64_t n, std::int64_t columns, Stream stream);

}  // namespace jang::kernels::cuda
