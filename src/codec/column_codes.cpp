// SPDX-License-Identifier: Apache-2.0
// One code at a time: there is one for every group of weights, so nothing here is worth more.
#include "codec/column_codes.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace jang::codec {
namespace {

// Where a code lies in its column's stream.
struct Place {
  std::int64_t word;
  int shift, bits;
  Place(std::int64_t row, int b) : word(row * b / 32), shift(static_cast<int>(row * b % 32)), bits(b) {}
  [[nodiscard]] bool straddles() const { return shift + bits > 32; }
};

}  // namespace

void pack_columns(std::span<const std::uint8_t> codes, std::int64_t n_rows, int bits, std::span<std::uint32_t> words) {
  if (n_rows == 0) return;
  const std::int64_t n_columns = static_cast<std::int64_t>(codes.size()) / n_rows;
  JANG_CHECK(static_cast<std::int64_t>(words.size()) == column_words(n_rows, bits) * n_columns);
  std::ranges::fill(words, 0u);
  for (std::int64_t r = 0; r < n_rows; ++r) {
    const Place at(r, bits);
    for (std::int64_t c = 0; c < n_columns; ++c) {
      const std::uint32_t code = codes[static_cast<std::size_t>(r * n_columns + c)];
      words[static_cast<std::size_t>(at.word * n_columns + c)] |= code << at.shift;
      if (at.straddles()) words[static_cast<std::size_t>((at.word + 1) * n_columns + c)] |= code >> (32 - at.shift);
    }
  }
}

void unpack_columns(std::span<const std::byte> words, std::int64_t n_rows, int bits, std::span<std::uint8_t> codes) {
  if (n_rows == 0) return;
  const std::int64_t n_columns = static_cast<std::int64_t>(codes.size()) / n_rows;
  JANG_CHECK(static_cast<std::int64_t>(words.size()) == column_words(n_rows, bits) * n_columns * 4);
  const auto word = [&](std::int64_t row, std::int64_t column) {
    std::uint32_t value = 0;
    std::memcpy(&value, words.data() + (row * n_columns + column) * 4, 4);
    return value;
  };
  for (std::int64_t r = 0; r < n_rows; ++r) {
    const Place at(r, bits);
    for (std::int64_t c = 0; c < n_columns; ++c) {
      std::uint32_t code = word(at.word, c) >> at.shift;
      if (at.straddles()) code |= word(at.word + 1, c) << (32 - at.shift);
      codes[static_cast<std::size_t>(r * n_columns + c)] = static_cast<std::uint8_t>(code & ((1u << bits) - 1));
    }
  }
}

}  // namespace jang::codec
