// SPDX-License-Identifier: Apache-2.0
// Packing of codes into the dense LSB-first bit stream. 32 codes fill exactly `bits` words, so one block of 32 is the unit for every width.
#include "codec/affine.h"

#include "base/check.h"
#include "codec/dispatch.h"

namespace jang::codec {
namespace {

constexpr int kBlock = 32;  // codes

// Shifts codes into a 64-bit window and emits a word whenever 32 bits are full.
template <int kBits>
void pack_blocks(const std::uint8_t* codes, std::size_t n_blocks, std::uint32_t* words) {
  for (std::size_t block = 0; block < n_blocks; ++block) {
    std::uint64_t window = 0;
    int filled = 0;
    for (int i = 0; i < kBlock; ++i) {
      window |= static_cast<std::uint64_t>(codes[i]) << filled;
      filled += kBits;
      if (filled >= 32) {
        *words++ = static_cast<std::uint32_t>(window);
        window >>= 32;
        filled -= 32;
      }
    }
    codes += kBlock;
  }
}

template <int kBits>
void unpack_blocks(const std::uint32_t* words, std::size_t n_blocks, std::uint8_t* codes) {
  for (std::size_t block = 0; block < n_blocks; ++block) {
    std::uint64_t window = 0;
    int filled = 0;
    for (int i = 0; i < kBlock; ++i) {
      if (filled < kBits) {
        window |= static_cast<std::uint64_t>(*words++) << filled;
        filled += 32;
      }
      codes[i] = static_cast<std::uint8_t>(window & static_cast<std::uint64_t>(max_code(kBits)));
      window >>= kBits;
      filled -= kBits;
    }
    codes += kBlock;
  }
}

}  // namespace

void pack(std::span<const std::uint8_t> codes, int bits, std::uint32_t* words) {
  JANG_CHECK(codes.size() % kBlock == 0);
  const bool known = with_width(bits, [&]<int kBits>() { pack_blocks<kBits>(codes.data(), codes.size() / kBlock, words); });
  JANG_CHECK(known);
}

void unpack(const std::uint32_t* words, int bits, std::span<std::uint8_t> codes) {
  JANG_CHECK(codes.size() % kBlock == 0);
  const bool known = with_width(bits, [&]<int kBits>() { unpack_blocks<kBits>(words, codes.size() / kBlock, codes.data()); });
  JANG_CHECK(known);
}

}  // namespace jang::codec
