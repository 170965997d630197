// SPDX-License-Identifier: Apache-2.0
// The loss of distillation on the card (backward.h, divergence).
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

void divergence(const Rows& reference, float weight, const Rows& logits, const Rows& sums, std::int64_t n, std::int64_t columns,
                Stream stream);

}  // namespace jang::kernels::cuda
