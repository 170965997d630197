// SPDX-License-Identifier: Apache-2.0
// Codes packed down the columns of a matrix: how compressed-tensors stores the zero points of its packed weights.
//
//   code (r, c) of a matrix [rows, columns] occupies bits [r*b, (r+1)*b) of column c's stream; bit k of the stream of column c is bit k%32
//   of word [k/32, c] of a matrix [ceil(rows*b/32), columns]. 32 rows fill b rows of words; the bits behind the last row are zero.
//   (compressed-tensors, pack_to_int32 with packed_dim 0, dense since release 0.18; the widths 2, 4 and 8 were always stored so.)
#pragma once

#include <cstdint>
#include <span>

namespace jang::codec {

inline constexpr std::int64_t kColumnBlock = 32;  // rows

// Rows of words for so many rows of codes. Precondition: rows * bits < 2^63.
[[nodiscard]] constexpr std::int64_t column_words(std::int64_t rows, int bits) { return (rows * bits + 31) / 32; }

// Precondition: codes.size() is a multiple of n_rows, words.size() == column_words(n_rows, bits) * columns, every code fits in `bits` <= 8.
void pack_columns(std::span<const std::uint8_t> codes, std::int64_t n_rows, int bits, std::span<std::uint32_t> words);
// The inverse. `words` may lie at any address.
void unpack_columns(std::span<const std::byte> words, std::int64_t n_rows, int bits, std::span<std::uint8_t> codes);

}  // namespace jang::codec
