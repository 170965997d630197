// SPDX-License-Identifier: Apache-2.0
// Codes packed down columns, bit by bit against the definition, at every width and for rows that end inside a word.
#include "codec/column_codes.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace jang::codec {
namespace {

std::vector<std::uint8_t> random_codes(std::int64_t n, int bits, unsigned seed) {
  std::mt19937 gen(seed);
  std::vector<std::uint8_t> codes;
  for (std::int64_t i = 0; i < n; ++i) codes.push_back(static_cast<std::uint8_t>(gen() & ((1u << bits) - 1)));
  return codes;
}

std::vector<std::uint32_t> packed(const std::vector<std::uint8_t>& codes, std::int64_t rows, int bits) {
  const auto columns = static_cast<std::int64_t>(codes.size()) / rows;
  std::vector<std::uint32_t> words(static_cast<std::size_t>(column_words(rows, bits) * columns), 0xdeadbeef);
  pack_columns(codes, rows, bits, words);
  return words;
}

TEST(ColumnCodes, every_bit_lies_where_the_definition_says) {
  for (int bits = 1; bits <= 8; ++bits)
    for (const std::int64_t rows : {1, 7, 31, 32, 33, 64, 70}) {
      constexpr std::int64_t kColumns = 3;
      const std::vector<std::uint8_t> codes = random_codes(rows * kColumns, bits, static_cast<unsigned>(bits));
      const std::vector<std::uint32_t> words = packed(codes, rows, bits);
      std::vector<std::uint32_t> seen(words.size());  // bits that codes account for
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < kColumns; ++c)
          for (int b = 0; b < bits; ++b) {
            const std::int64_t k = r * bits + b;
            const auto word = static_cast<std::size_t>(k / 32 * kColumns + c);
            seen[word] |= 1u << (k % 32);
            ASSERT_EQ(words[word] >> (k % 32) & 1, codes[static_cast<std::size_t>(r * kColumns + c)] >> b & 1u) << bits << " " << rows;
          }
      for (std::size_t i = 0; i < words.size(); ++i) ASSERT_EQ(words[i] & ~seen[i], 0u) << "padding";
    }
}

TEST(ColumnCodes, unpacking_inverts_at_any_address) {
  for (int bits = 1; bits <= 8; ++bits)
    for (const std::int64_t rows : {1, 31, 32, 65}) {
      const std::vector<std::uint8_t> codes = random_codes(rows * 5, bits, 3);
      const std::vector<std::uint32_t> words = packed(codes, rows, bits);
      std::vector<std::byte> shifted(words.size() * 4 + 1);
      std::memcpy(shifted.data() + 1, words.data(), words.size() * 4);
      std::vector<std::uint8_t> back(codes.size());
      unpack_columns(std::span(shifted).subspan(1), rows, bits, back);
      EXPECT_EQ(back, codes);
    }
}

// What lets a conversion write runs of rows in any order.
TEST(ColumnCodes, blocks_of_32_rows_are_packed_alone) {
  for (int bits = 1; bits <= 8; ++bits) {
    const std::vector<std::uint8_t> codes = random_codes(96 * 4, bits, 9);
    const std::vector<std::uint32_t> whole = packed(codes, 96, bits);
    std::vector<std::uint32_t> parts;
    for (std::int64_t block = 0; block < 3; ++block) {
      const std::vector<std::uint8_t> some(codes.begin() + block * kColumnBlock * 4, codes.begin() + (block + 1) * kColumnBlock * 4);
      for (const std::uint32_t word : packed(some, kColumnBlock, bits)) parts.push_back(word);
    }
    EXPECT_EQ(parts, whole);
  }
}

}  // namespace
}  // namespace jang::codec
