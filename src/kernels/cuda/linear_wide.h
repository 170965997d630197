// SPDX-License-Identifier: Apache-2.0
// The kernel of packed maps for many inputs, on Hopper's warpgroup products (warpgroup.cuh). It gives the bits of linear_fast.cu.
#pragma once

#include "kernels/cuda/fast_map.cuh"

namespace jang::kernels::cuda {

// Whether this build has the kernel and the card runs it.
[[nodiscard]] bool wide_supported();

// `a` without tiles_end; inputs prepared as tiles.
void linear_wide(FastArgs& a, Stream stream);

}  // namespace jang::kernels::cuda
