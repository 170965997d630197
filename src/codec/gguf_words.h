// SPDX-License-Identifier: Apache-2.0
// Blocks of GGUF: how many values they hold, and little-endian numbers inside of them, whose bytes have no alignment.
#pragma once

#include <bit>
#include <cstdint>

#include "base/float16.h"

namespace jang::codec::gguf {

inline constexpr int kBlock = 32,
                     kSuperBlock = 256;  // values: of the blocks of legacy types and MXFP4, of those of K, IQ and ternary types

[[nodiscard]] constexpr std::uint32_t word16(const std::uint8_t* p) { return p[0] | std::uint32_t{p[1]} << 8; }
[[nodiscard]] constexpr std::uint32_t word32(const std::uint8_t* p) { return word16(p) | word16(p + 2) << 16; }
[[nodiscard]] constexpr float half(const std::uint8_t* p) { return fp16_to_float(static_cast<std::uint16_t>(word16(p))); }
[[nodiscard]] constexpr float single(const std::uint8_t* p) { return std::bit_cast<float>(word32(p)); }

}  // namespace jang::codec::gguf
