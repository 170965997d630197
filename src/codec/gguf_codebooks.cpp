// SPDX-License-Identifier: Apache-2.0
// One function per type; the header has the formulas.
#include "codec/gguf_codebooks.h"

#include <array>
#include <bit>

#include "codec/gguf_grids.h"
#include "codec/gguf_words.h"

namespace jang::codec::gguf {
namespace {

constexpr float kShift = 0.125f;  // of IQ1
constexpr std::array<int, 16> kIq4Levels = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

constexpr std::uint32_t even_signs(std::uint32_t seven) { return seven | (std::popcount(seven) % 2 == 1 ? 128u : 0u); }

// n values of a grid's vector with the signs of bits 0.. of `signs`.
void write_signed(const std::int8_t* grid, int n, std::uint32_t signs, float scale, float* values) {
  for (int i = 0; i < n; ++i) {
    const float v = scale * static_cast<float>(grid[i]);
    values[i] = signs >> i & 1 ? -v : v;
  }
}

void write_shifted(const std::int8_t* grid, bool down, float scale, float* values) {
  for (int i = 0; i < 8; ++i) values[i] = scale * (static_cast<float>(grid[i]) + (down ? -kShift : kShift));
}

constexpr int nibble_of(const std::uint8_t* bytes, int i) { return bytes[i / 2] >> (i % 2 * 4) & 15; }

}  // namespace

// d, then for 32 values: four codes, four times seven signs and a scale of 4 bits
void decode_iq2_xxs(const std::uint8_t* block, float* values) {
  const float d = half(block);
  for (int run = 0; run < kSuperBlock / 32; ++run) {
    const std::uint8_t* p = block + 2 + run * 8;
    const std::uint32_t signs = word32(p + 4);
    const float scale = d * (0.5f + static_cast<float>(signs >> 28)) * 0.25f;
    for (int k = 0; k < 4; ++k)
      write_signed(iq2_xxs_grid().at(p[k]), 8, even_signs(signs >> (7 * k) & 127), scale, values + run * 32 + k * 8);
  }
}

// d, 32 words of code (9 bits) and signs (7), 8 bytes of scales
void decode_iq2_xs(const std::uint8_t* block, float* values) {
  const float d = half(block);
  for (int k = 0; k < kSuperBlock / 8; ++k) {
    const std::uint32_t word = word16(block + 2 + k * 2);
    const float scale = d * (0.5f + static_cast<float>(nibble_of(block + 66, k / 2))) * 0.25f;
    write_signed(iq2_xs_grid().at(word & 511), 8, even_signs(word >> 9), scale, values + k * 8);
  }
}

// d, 32 codes, 32 bytes of signs, 8 bytes of upper pairs of codes, 8 bytes of scales
void decode_iq2_s(const std::uint8_t* block, float* values) {
  const float d = half(block);
  for (int k = 0; k < kSuperBlock / 8; ++k) {
    const std::uint32_t code = block[2 + k] | (block[66 + k / 4] >> (k % 4 * 2) & 3u) << 8;
    const float scale = d * (0.5f + static_cast<float>(nibble_of(block + 74, k / 2))) * 0.25f;
    write_signed(iq2_s_grid().at(code), 8, block[34 + k], scale, values + k * 8);
  }
}

// d, 64 codes, then for 32 values four times seven signs and a scale of 4 bits
void decode_iq3_xxs(const std::uint8_t* block, float* values) {
  const float d = half(block);
  for (int run = 0; run < kSuperBlock / 32; ++run) {
    const std::uint32_t signs = word32(block + 66 + run * 4);
    const float scale = d * (0.5f + static_cast<float>(signs >> 28)) * 0.5f;
    for (int k = 0; k < 8; ++k)
      write_signed(iq3_xxs_grid().at(block[2 + run * 8 + k]), 4, even_signs(signs >> (k / 2 * 7) & 127) >> (k % 2 * 4), scale,
                   values + run * 32 + k * 4);
  }
}

// d, 64 codes, 8 bytes of ninth bits, 32 bytes of signs, 4 bytes of scales
void decode_iq3_s(const std::uint8_t* block, float* values) {
  const float d = half(block);
  for (int k = 0; k < kSuperBlock / 4; ++k) {
    const std::uint32_t code = block[2 + k] | (block[66 + k / 8] >> (k % 8) & 1u) << 8;
    const float scale = d * static_cast<float>(1 + 2 * nibble_of(block + 106, k / 8));
    write_signed(iq3_s_grid().at(code), 4, std::uint32_t{block[74 + k / 2]} >> (k % 2 * 4), scale, values + k * 4);
  }
}

// d, 32 codes, then for 32 values a word: four times three upper bits of codes, a scale of 3 bits, the direction of the shift
void decode_iq1_s(const std::uint8_t* block, float* values) {
  const float d = half(block);
  for (int k = 0; k < kSuperBlock / 8; ++k) {
    const std::uint32_t word = word16(block + 34 + k / 4 * 2);
    const std::uint32_t code = block[2 + k] | (word >> (k % 4 * 3) & 7) << 8;
    const float scale = d * static_cast<float>(2 * (word >> 12 & 7) + 1);
    write_shifted(iq1_grid().at(code), (word & 0x8000) != 0, scale, values + k * 8);
  }
}

// 32 codes, 16 bytes of nibbles (three upper bits of a code, the direction of its shift), four words of four scales of 3 bits whose top
// nibbles together are d
void decode_iq1_m(const std::uint8_t* block, float* values) {
  const std::uint8_t* scales = block + 48;
  std::uint32_t bits = 0;
  for (int k = 0; k < 4; ++k) bits |= word16(scales + 2 * k) >> 12 << (4 * k);
  const float d = fp16_to_float(static_cast<std::uint16_t>(bits));
  for (int k = 0; k < kSuperBlock / 8; ++k) {
    const auto high = static_cast<std::uint32_t>(nibble_of(block + 32, k));
    const std::uint32_t s = word16(scales + k / 8 * 2) >> (k / 2 % 4 * 3) & 7;
    write_shifted(iq1_grid().at(block[k] | (high & 7) << 8), (high & 8) != 0, d * static_cast<float>(2 * s + 1), values + k * 8);
  }
}

// d, 16 bytes of nibbles: low ones for the first 16 values
void decode_iq4_nl(const std::uint8_t* block, float* values) {
  const float d = half(block);
  for (int i = 0; i < 32; ++i)
    values[i] = d * static_cast<float>(kIq4Levels[static_cast<std::size_t>(block[2 + i % 16] >> (i / 16 * 4) & 15)]);
}

// d, upper pairs of the scales, 4 bytes of their nibbles, 128 bytes of codes in runs of 32 values
void decode_iq4_xs(const std::uint8_t* block, float* values) {
  const float d = half(block);
  const std::uint32_t high = word16(block + 2);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int run = i / 32;
    const int s = nibble_of(block + 4, run) | static_cast<int>(high >> (2 * run) & 3) << 4;
    const int q = block[8 + run * 16 + i % 16] >> (i % 32 / 16 * 4) & 15;
    values[i] = d * static_cast<float>(s - 32) * static_cast<float>(kIq4Levels[static_cast<std::size_t>(q)]);
  }
}

}  // namespace jang::codec::gguf
