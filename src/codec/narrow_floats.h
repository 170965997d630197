// SPDX-License-Identifier: Apache-2.0
// Floats of 4 and 8 bits as numbers. Not written here, only read.
//
//   e4m3   1 sign, 4 exponent (bias 7), 3 mantissa; no infinities, NaN where all but the sign is one            (OCP 8-bit floats, E4M3)
//   e5m2   1 sign, 5 exponent (bias 15), 2 mantissa, as float16 with a shorter mantissa                          (E5M2)
//   e2m1   1 sign, 2 exponent (bias 1), 1 mantissa: 0, .5, 1, 1.5, 2, 3, 4, 6                                   (OCP MX, FP4)
//   e8m0   2^(v-127), NaN at 255: a scale                                                                       (OCP MX)
#pragma once

#include <cstdint>

namespace jang::codec {

[[nodiscard]] float e4m3_to_float(std::uint8_t bits);
[[nodiscard]] float e5m2_to_float(std::uint8_t bits);
[[nodiscard]] float e2m1_to_float(std::uint8_t bits);  // of the low four
[[nodiscard]] float e8m0_to_float(std::uint8_t bits);

}  // namespace jang::codec
