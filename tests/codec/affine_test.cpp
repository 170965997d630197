// SPDX-License-Identifier: Apache-2.0
// Packing: the bit position of every code, round trips at every width, a worked example.
#include "codec/affine.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace jang::codec {
namespace {

TEST(Affine, pack_puts_code_i_at_bit_i_times_width) {
  for (const WidthRow& width : kWidths) {
    for (int i = 0; i < 128; ++i) {
      std::vector<std::uint8_t> codes(128, 0);
      codes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(max_code(width.bits));
      std::vector<std::uint32_t> words(static_cast<std::size_t>(words_per_row(128, width.bits)));
      pack(codes, width.bits, words.data());
      for (int bit = 0; bit < 128 * width.bits; ++bit) {
        const bool set = (words[static_cast<std::size_t>(bit / 32)] >> (bit % 32)) & 1u;
        ASSERT_EQ(set, bit >= i * width.bits && bit < (i + 1) * width.bits) << width.bits << " bits, code " << i << ", bit " << bit;
      }
    }
  }
}

TEST(Affine, unpack_inverts_pack) {
  std::mt19937 gen(1);
  for (const WidthRow& width : kWidths) {
    for (const int n : {32, 64, 96, 128, 4096}) {
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(n)), back(static_cast<std::size_t>(n));
      for (auto& c : codes) c = static_cast<std::uint8_t>(gen() & static_cast<unsigned>(max_code(width.bits)));
      std::vector<std::uint32_t> words(static_cast<std::size_t>(words_per_row(n, width.bits)));
      pack(codes, width.bits, words.data());
      unpack(words.data(), width.bits, back);
      EXPECT_EQ(codes, back) << width.bits << " bits, " << n << " codes";
    }
  }
}

TEST(Affine, three_bit_example_of_the_format_page) {
  // 5 3 7 1 0 6 2 4, least significant bit first, are the bytes DD 03 8B.
  std::vector<std::uint8_t> codes(32, 0);
  const std::uint8_t example[] = {5, 3, 7, 1, 0, 6, 2, 4};
  std::copy(std::begin(example), std::end(example), codes.begin());
  std::vector<std::uint32_t> words(3);
  pack(codes, 3, words.data());
  EXPECT_EQ(words[0], 0x008B03DDu);
}

TEST(Affine, widths_and_groups_are_what_mlx_reads) {
  EXPECT_TRUE(is_width(5));
  EXPECT_FALSE(is_width(7));
  EXPECT_FALSE(is_width(1));
  EXPECT_TRUE(is_group(128));
  EXPECT_FALSE(is_group(16));
}

}  // namespace
}  // namespace jang::codec
