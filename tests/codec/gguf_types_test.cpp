// SPDX-License-Identifier: Apache-2.0
// GGUF's types: sizes, single blocks by hand, and the bits of many blocks as the package `gguf` 0.19 decodes them
// (gguf.quants.dequantize). tests/oracle/check_gguf.py compares with the package itself.
#include "codec/gguf_types.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

namespace {

using jang::codec::GgufType;

// The upper bytes of Knuth's congruential numbers: what the golden values were made of.
std::vector<std::byte> made_bytes(std::uint64_t seed, std::size_t n) {
  std::vector<std::byte> out;
  for (std::size_t i = 0; i < n; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    out.push_back(static_cast<std::byte>(seed >> 56));
  }
  return out;
}

// FNV-1a of the floats' bytes, every NaN as the quiet one.
std::uint64_t hash_of(const std::vector<float>& values) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const float v : values) {
    const std::uint32_t bits = std::isnan(v) ? 0x7fc00000u : std::bit_cast<std::uint32_t>(v);
    for (int k = 0; k < 4; ++k) h = (h ^ (bits >> (8 * k) & 255)) * 0x100000001b3u;
  }
  return h;
}

std::vector<float> decoded(const GgufType& type, const std::vector<std::byte>& blocks) {
  std::vector<float> values(blocks.size() / static_cast<std::size_t>(type.block_bytes) * static_cast<std::size_t>(type.block_values));
  jang::codec::decode_gguf(type, blocks.data(), static_cast<std::int64_t>(values.size()), values.data());
  return values;
}

struct Golden {
  std::uint32_t type;
  std::uint64_t hash;  // of 16 blocks, of 512 values where a block is a value
};
constexpr Golden kGolden[] = {
    {0, 0xf0333c8d8ad1df27},   // F32
    {1, 0x945e49e0ed2df5be},   // F16
    {2, 0xa87aafbfe891c14c},   // Q4_0
    {3, 0x9a775ac0192a95b7},   // Q4_1
    {6, 0x0d57612d17e9a738},   // Q5_0
    {7, 0xec606497cf182fa3},   // Q5_1
    {8, 0x1ba991d095ccaaf6},   // Q8_0
    {10, 0x8c9c9cefac812290},  // Q2_K
    {11, 0x7b9459072e1bf7af},  // Q3_K
    {12, 0x21eaf6e1ddbceffc},  // Q4_K
    {13, 0xd353b525816d971c},  // Q5_K
    {14, 0x6febd8b33b9c9b81},  // Q6_K
    {16, 0xfe51aa9bba305f32},  // IQ2_XXS
    {17, 0x90f15b5326d950c1},  // IQ2_XS
    {18, 0x9596ae21a415f42c},  // IQ3_XXS
    {19, 0xce92541e0a6d5de4},  // IQ1_S
    {20, 0x8c888025d3ae4e62},  // IQ4_NL
    {21, 0x3b2f6029ce9d8f81},  // IQ3_S
    {22, 0x1a770b0da0d111a5},  // IQ2_S
    {23, 0xbf78110354be2d69},  // IQ4_XS
    {29, 0xb92b000df7f9a5de},  // IQ1_M
    {30, 0x658b593777b32187},  // BF16
    {34, 0xa4613955d569bedc},  // TQ1_0
    {35, 0xdd2528891d795074},  // TQ2_0
    {39, 0xd4ee067177c40fb1},  // MXFP4
};

TEST(GgufTypes, blocks_decode_to_the_bits_of_the_package) {
  for (const Golden& golden : kGolden) {
    const GgufType* type = jang::codec::find_gguf_type(golden.type);
    ASSERT_NE(type, nullptr);
    ASSERT_NE(type->decode, nullptr) << type->name;
    const std::size_t n_blocks = type->block_values > 1 ? 16 : 512;
    const std::vector<float> values = decoded(*type, made_bytes(type->id, n_blocks * static_cast<std::size_t>(type->block_bytes)));
    EXPECT_EQ(hash_of(values), golden.hash) << type->name;
  }
}

TEST(GgufTypes, every_type_that_decodes_has_golden_values) {
  for (const GgufType& type : jang::codec::gguf_types()) {
    const bool golden = std::any_of(std::begin(kGolden), std::end(kGolden), [&](const Golden& g) { return g.type == type.id; });
    EXPECT_EQ(type.decode != nullptr, golden || type.name == "Q8_K") << type.name;
  }
}

TEST(GgufTypes, table_is_ascending_and_found_by_number) {
  const auto types = jang::codec::gguf_types();
  for (std::size_t i = 1; i < types.size(); ++i) EXPECT_LT(types[i - 1].id, types[i].id);
  for (const GgufType& type : types) EXPECT_EQ(jang::codec::find_gguf_type(type.id), &type);
  EXPECT_EQ(jang::codec::find_gguf_type(4), nullptr);
  EXPECT_EQ(jang::codec::find_gguf_type(0xffffffffu), nullptr);
}

TEST(GgufTypes, q4_0_by_hand) {
  std::vector<std::byte> block(18);
  block[1] = std::byte{0x40};  // d = 2
  block[2] = std::byte{0xf0};  // first value 0, seventeenth 15
  const std::vector<float> values = decoded(*jang::codec::find_gguf_type(2), block);
  EXPECT_EQ(values[0], -16.0f);
  EXPECT_EQ(values[16], 14.0f);
  EXPECT_EQ(values[1], -16.0f);
}

TEST(GgufTypes, q8_k_by_hand) {
  std::vector<std::byte> block(292);
  block[3] = std::byte{0x3f};  // d = 0.5
  block[4] = std::byte{0xff};
  block[259] = std::byte{3};
  const std::vector<float> values = decoded(*jang::codec::find_gguf_type(15), block);
  EXPECT_EQ(values[0], -0.5f);
  EXPECT_EQ(values[255], 1.5f);
}

}  // namespace
