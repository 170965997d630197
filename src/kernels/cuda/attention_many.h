// SPDX-License-Identifier: Apache-2.0
// Attention of prompts: the kernel of attention.cu for many rows of a sequence at once, with the same bits.
#pragma once

#include "kernels/cuda/attention.h"

namespace jang::kernels::cuda {

// Rows of a sequence that a block takes at once, or 0 where attention.cu has to do it: few rows, heads or a type that it does not know.
[[nodiscard]] int attend_many_rows(const AttendArgs& a, const Caches& caches);

// Tiles as of attend(). Results and `partial` as there; joining the chunks is left to it.
void attend_many(const AttendArgs& a, const Caches& caches, const std::int32_t* tiles, std::int64_t n_tiles, Stream stream);

}  // namespace jang::kernels::cuda
