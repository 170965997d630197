// SPDX-License-Identifier: Apache-2.0
// Blocks of GGUF's types with codebooks: IQ1 to IQ3, whose code names a vector of a grid (gguf_grids.h), and IQ4, whose code names one of
// sixteen uneven levels. Conventions as in gguf_blocks.h; s is the scale of a run of values, t the signs.
//
//   IQ2_*         d * (0.5 + s) * 0.25 * grid * t, a code for 8 values, s for 32 (XXS) or 16
//   IQ3_XXS       d * (0.5 + s) * 0.5 * grid * t, a code for 4 values, s for 32
//   IQ3_S         d * (1 + 2 s) * grid * t, a code for 4 values, s for 32
//   IQ1_S, IQ1_M  d * (2 s + 1) * (grid +- 0.125), a code for 8 values, s for 32 or 16
//   IQ4_NL        d * level; IQ4_XS has a scale of 6 bits for 32 values
// Signs are eight bits; XXS and XS store seven, and the eighth makes their number even.
#pragma once

#include <cstdint>

namespace jang::codec::gguf {

void decode_iq2_xxs(const std::uint8_t* block, float* values);
void decode_iq2_xs(const std::uint8_t* block, float* values);
void decode_iq2_s(const std::uint8_t* block, float* values);
void decode_iq3_xxs(const std::uint8_t* block, float* values);
void decode_iq3_s(const std::uint8_t* block, float* values);
void decode_iq1_s(const std::uint8_t* block, float* values);
void decode_iq1_m(const std::uint8_t* block, float* values);
void decode_iq4_nl(const std::uint8_t* block, float* values);
void decode_iq4_xs(const std::uint8_t* block, float* values);

}  // namespace jang::codec::gguf
