// SPDX-License-Identifier: Apache-2.0
// Groups without a free bias, value = (code - zero) * scale: zero is a whole number in [0, 2^bits - 1] (integer_zero, scale >= 0),
// 2^(bits-1) (symmetric, scale of either sign), or any number of the storage type (float_zero, scale >= 0). What serving engines compute.
//
//   rtn: lo = min(w, 0), hi = max(w, 0);  integer_zero: scale = max((hi - lo) / L, 1e-7), zero = clamp(rint(-lo/scale), 0, L)
//                                         float_zero:   the same scale, zero = -lo/scale as stored
//                                         symmetric:    scale = max(max|w| / (L/2), 1e-7)               L = 2^bits - 1, scale as stored
//   fit: the grid of fit_search.h over both ends (with zero between them for integer_zero, those of the weights for float_zero) or over
//        scales (symmetric); least squares of the scale for fixed codes and zero; the zero next to the best free bias; the storage
//        neighbours of the scale and of the zero, or the whole numbers beside it
#pragma once

#include "codec/weight_format.h"
#include "kernels/ref/encode_group.h"

namespace jang::kernels::ref {

[[nodiscard]] Solution solve_integer_rtn(const Group& g, codec::Kind kind, int bits);
// `seed`: of solve_integer_rtn.
[[nodiscard]] Solution solve_integer_fit(const Group& g, codec::Kind kind, int bits, const Params& seed);

}  // namespace jang::kernels::ref
