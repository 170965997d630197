// SPDX-License-Identifier: Apache-2.0
// The packed weight: value = code * scale + bias per group along a row, codes a dense bit stream. No I/O, no SIMD.
//
//   code i of a row of `in` weights occupies bits [i*b, (i+1)*b) of the row, bit k of the row being bit k%32 of little-endian word k/32.
//   Since groups are multiples of 32 codes, every row and every group starts on a word: words per row = in*b/32, per group = group*b/32.
//   scales and biases: [out, in/group], 16-bit floats (or float32), bias added, not subtracted. MLX's `affine` mode, and the codes are also
//   compressed-tensors' pack-quantized codes for every width.
//
// kWidths is the one list of widths; everything above this file is width-blind.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/checked.h"

namespace jang::codec {

struct WidthRow {
  int bits;
  // Relative squared error on Gaussian weights of plain min/max and of the fit, group 64 (docs/codecs.md): a prior where nothing was
  // measured.
  double gaussian_rtn, gaussian_fit;
};

inline constexpr std::array<WidthRow, 6> kWidths = {{
    {2, 1.58e-1, 1.02e-1},
    {3, 3.69e-2, 2.69e-2},
    {4, 8.42e-3, 6.56e-3},
    {5, 1.99e-3, 1.57e-3},
    {6, 4.93e-4, 3.87e-4},
    {8, 4.58e-5, 2.57e-5},
}};
struct GroupRow {
  int size;
  double error_factor;  // fit error relative to group 64, Gaussian weights
};
inline constexpr std::array<GroupRow, 3> kGroups = {{{32, 0.726}, {64, 1.0}, {128, 1.256}}};

[[nodiscard]] constexpr bool is_width(int bits) {
  for (const WidthRow& w : kWidths)
    if (w.bits == bits) return true;
  return false;
}
[[nodiscard]] constexpr bool is_group(int group_size) {
  for (const GroupRow& g : kGroups)
    if (g.size == group_size) return true;
  return false;
}
inline constexpr int kMaxGroup = 128;

// Largest code, 2^bits - 1.
[[nodiscard]] constexpr int max_code(int bits) { return (1 << bits) - 1; }
// u32 words of one row of `in` weights. Precondition: in % 32 == 0.
[[nodiscard]] constexpr std::int64_t words_per_row(std::int64_t in, int bits) { return in / 32 * bits; }

// Packs n codes (n % 32 == 0, each <= max_code(bits)) into n*bits/32 words.
void pack(std::span<const std::uint8_t> codes, int bits, std::uint32_t* words);
// The inverse.
void unpack(const std::uint32_t* words, int bits, std::span<std::uint8_t> codes);

}  // namespace jang::codec
